"""The base class of the questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from cardinet.base.settings import Settings
from cardinet.blocks.classifier import Classifier
from cardinet.data.labelling import Name
from cardinet.evaluate.opening import Opened
from cardinet.explain.answer import Answer
from cardinet.explain.array_file import Shape
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import Model

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What a question is asked about: a model and, if the question uses them, pictures.

    `name` is the model as the user named it, `run` its run folder, if it is one. `trained` is False for a network that
    was made from its name, with new weights. `seed` is the seed of every draw.
    """

    opened: Opened
    name: str
    run: RunFolder | None
    trained: bool
    seed: int
    batch_size: int
    workers: int
    progress: Progress = lambda what, done, total: None

    @property
    def model(self) -> Model:
        return self.opened.model

    @property
    def network(self) -> Classifier:
        """The network of the model, in eval mode. A question must not change it."""
        network = self.opened.model.network
        assert isinstance(network, Classifier)
        return network

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.network.parameters()).device


class Question(Settings):
    """A question to a network. Its fields are its settings, with one docstring each.

    A question is one file in `questions/` and a row in `questions/__init__.py`. `answer` must not change the network:
    not its weights, its mode, its gradients or its modules.
    """

    PICTURES: ClassVar[Literal["none", "optional", "needed"]] = "needed"
    """Whether it looks at pictures."""

    LOOSE: ClassVar[bool] = False
    """Whether it also takes pictures without classes, such as one photograph (`Split.labelled` is False then)."""

    SPLIT: ClassVar[str | None] = None
    """The split that it looks at if the user names none; None: the split that an evaluation measures."""

    ALSO: ClassVar[tuple[str, ...]] = ()
    """Other splits that it needs, such as "train" for statistics of BN."""

    TRAINED: ClassVar[bool] = True
    """Whether it has a meaning only for trained weights."""

    LABELLINGS: ClassVar[tuple[Name, ...]] = ("one",)
    """Whether it has a meaning for models that give one label for a picture, several, or both (`data.labelling`)."""

    ARRAYS: ClassVar[Shape] = "none"
    """Whether its answer has arrays, and of which shape."""

    def problems(self, network: Classifier) -> list[str]:
        """Why it has no meaning for this network, one sentence each; empty if it has."""
        return []

    @property
    def also(self) -> tuple[str, ...]:
        """`ALSO`, or fewer splits if the settings need fewer."""
        return self.ALSO

    def check(self) -> None:
        """Raise RequestError for settings that cannot be used, such as a new file that exists."""

    def answer(self, subject: Subject) -> Answer:
        """Answer it. Raises RequestError or WorkError."""
        raise NotImplementedError
