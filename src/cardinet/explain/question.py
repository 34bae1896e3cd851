"""The base class of the questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from cardinet.base.randomness import permutation
from cardinet.base.settings import Settings
from cardinet.blocks.classifier import Classifier
from cardinet.data.batches import Batch, evaluation_batches
from cardinet.evaluate.opening import Opened
from cardinet.explain.answer import Answer
from cardinet.measure.available_memory import require_bytes
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import Model

PIXELS_AT_ONCE = 2**19
"""The pixels that pass a network forward and back at once: ten pictures of 224 pixels, 512 of 32."""

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

    def sample(self, count: int) -> Batch:
        """At most `count` of the pictures, drawn by the seed, as one normalised batch on the device of the network.

        Raises WorkError that names a picture that cannot be decoded, RequestError if they do not fit into the memory.
        """
        split = self.opened.measured.pictures
        size = 4 * self.model.preprocessing.channels * self.model.preprocessing.crop**2
        require_bytes(3 * min(count, len(split)) * size, str(self.device), f"A sample of {count:,} pictures")
        rows = np.sort(permutation(self.seed, 0, len(split))[:count])
        few, preprocessing = split.chosen(rows), self.model.preprocessing
        return next(evaluation_batches(few, preprocessing, batch_size=count, workers=0, device=self.device))

    def at_once(self, pixels: Tensor) -> int:
        """The pictures (B, C, H, W) that pass a network forward and back at once, so that the activations fit."""
        return max(1, min(self.batch_size, PIXELS_AT_ONCE // (pixels.shape[-2] * pixels.shape[-1])))


class Question(Settings):
    """A question to a network. Its fields are its settings, with one docstring each.

    A question is one file in `questions/` and a row in `questions/__init__.py`. `answer` must not change the network:
    not its weights, its mode, its gradients or its modules.
    """

    PICTURES: ClassVar[Literal["none", "optional", "needed"]] = "needed"
    """Whether it looks at pictures."""

    SPLIT: ClassVar[str | None] = None
    """The split that it looks at if the user names none; None: the split that an evaluation measures."""

    ALSO: ClassVar[tuple[str, ...]] = ()
    """Other splits that it needs, such as "train" for statistics of BN."""

    TRAINED: ClassVar[bool] = True
    """Whether it has a meaning only for trained weights."""

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
