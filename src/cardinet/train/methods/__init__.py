"""Training methods: additions to the plain steps of a run; one file for each method.

A method is a part of the recipe (`Method`). Its work in one run is a separate object (`Hooks`). The loop knows these
two classes and no method.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from cardinet.base.recipe_parts import RecipePart
from cardinet.data.labelling import Name
from cardinet.train.clock import Clock
from cardinet.train.objectives import Objective
from cardinet.train.optimizers import Optimizer
from cardinet.train.picture_sides import PictureSides
from cardinet.train.schedules import Schedule

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from cardinet.blocks.classifier import Classifier
    from cardinet.data.batches import Batch
    from cardinet.data.preprocessing import Preprocessing
    from cardinet.data.source import Source
    from cardinet.measure.memory import Memory
    from cardinet.rewrite.steps import Step
    from cardinet.runs.ranks import Ranks


Pass = Callable[["nn.Module", Objective], "Tensor"]
"""Passes a batch through a network, adds the gradient of an objective to its parameters, and returns the mean loss."""


@dataclass(frozen=True)
class Conditions:
    """The constant facts of a run that a method may need.

    `side` is the side of the input in pixels; `methods` are all methods of the run. `preprocessing` is None while a
    request is checked, before its pictures are decoded. `init` is the rule of the first weights. `ranks` are the
    processes that train together.
    """

    clock: Clock
    side: int
    source: Source
    optimizer: Optimizer
    objective: Objective
    schedule: Schedule
    seed: int
    methods: tuple[Method, ...] = ()
    preprocessing: Preprocessing | None = None
    init: str = "torchvision"
    ranks: Ranks = field(kw_only=True)

    @property
    def sides(self) -> PictureSides:
        """The sides of the training pictures: those of the first method that changes them."""
        found = (changes for method in self.methods if (changes := method.sides(self.clock, self.side)))
        return PictureSides(tuple(next(found, ((0, self.side),))))


@dataclass(frozen=True)
class Finished:
    """A method's result from the trained network: a network, the rewrites that give its structure, and figures."""

    network: Classifier
    rewrites: tuple[Step, ...]
    figures: Mapping[str, float] = field(default_factory=dict)


class Hooks:
    """The work of a method in one run. Every hook does nothing by default; a subclass overrides those that it needs.

    State must be in buffers of the network, which checkpoints save anyway, or in `state`: a resumed run must give the
    same bits. A test kills every method at a step and compares.
    """

    def see(self, batch: Batch, step: int) -> Batch:
        """The batch of the step after `step` done ones, before it passes; perhaps another one. Its labels may become
        probabilities (B, classes).
        """
        return batch

    @property
    def beside(self) -> nn.Module | None:
        """A module that is trained with the network, and that only training has. `state` has to hold it."""
        return None

    def loss(self, value: Tensor, logits: Tensor, pixels: Tensor, labels: Tensor) -> Tensor:
        """The loss of a part of the batch, a mean. `value` is that of the objective and of the methods before, `logits`
        (B, classes) are the network's answers to `pixels` (B, C, H, W) with these labels.
        """
        return value

    def after_backward(self, again: Pass) -> None:
        """After the backward passes of this process, before several processes put their gradients together. `again`
        passes the batch through another network, which may share parameters, in the same parts and precision.
        """

    def before_update(self, step: int) -> None:
        """After the backward pass of that step, in all processes: gradients may be changed, in each in the same way."""

    def after_update(self, step: int) -> None:
        """After the optimizer has moved the parameters in that step."""

    def evaluated(self, row: Mapping[str, Any]) -> str | None:
        """After an evaluation; `row` is its line of metrics.jsonl. A reason ends the run there, as a finished one."""
        return None

    def judged(self, network: Classifier) -> Classifier:
        """The network for evaluations and model files."""
        return network

    def figures(self) -> Mapping[str, float]:
        """Further entries for a training line of metrics.jsonl."""
        return {}

    def state(self) -> Mapping[str, Tensor]:
        """The tensors that a checkpoint must save."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore the tensors of `state`. Raises WorkError if they do not belong to this run."""


class Method(RecipePart):
    """A method as a recipe names it, with its settings.

    `LABELLINGS` says whether it works where a picture has one label, or several (`data.labelling`).
    `SELECTS` says whether the run may keep its best weights; else it keeps the last ones. `REPLACES` says whether
    evaluations and model files use another network than the trained one; that network then needs memory too.
    """

    LABELLINGS: ClassVar[tuple[Name, ...]] = ("one", "several")
    SELECTS: ClassVar[bool] = True
    REPLACES: ClassVar[bool] = False

    def check(self, network: Classifier, conditions: Conditions) -> None:
        """Raise RequestError if the method cannot work on a network, which is on the meta device."""

    def check_again(self) -> None:
        """Raise RequestError if what the method reads from a disk is not that of the run, which is resumed."""

    def fitted(self) -> Self:
        """The method with its open settings chosen; a run records the result."""
        return self

    def memory(self, network: Classifier, side: int, pictures: int) -> Memory:
        """What a step needs in addition when `pictures` of `side` pixels pass at once. The network is on the meta
        device.
        """
        from cardinet.measure.memory import Memory, network_bytes

        return Memory(network_bytes(network) if self.REPLACES else 0, 0)

    def untrained(self, network: Classifier) -> Iterable[nn.Parameter]:
        """The parameters of a network that have no gradient in the whole run."""
        return ()

    def sides(self, clock: Clock, side: int) -> Sequence[tuple[int, int]]:
        """Steps and the sides in pixels that the training pictures have from there on; empty: `side`, as the input."""
        return ()

    def rewrites(self) -> tuple[Step, ...]:
        """The rewrites of the network before training."""
        return ()

    def groups(self, network: Classifier) -> Sequence[dict[str, Any]]:
        """Groups of parameters that the optimizer treats differently, in torch's form, each with its "weight_decay"."""
        return ()

    def notes(self, conditions: Conditions) -> Sequence[str]:
        """Sentences on the method for the user and the report."""
        return ()

    def doubts(self, network: Classifier, drawn: Collection[str]) -> Sequence[str]:
        """Sentences on what the user may not have meant. The first values of the parameters `drawn` are random."""
        return ()

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        """The hooks of the method in a run that trains this network with this optimizer."""
        return Hooks()

    def finish(self, network: Classifier, before: tuple[Step, ...], conditions: Conditions) -> Finished | None:
        """The final network, from the trained one with the rewrites `before`; None if it stays unchanged.

        Raises WorkError if the method's target is missed.
        """
        return None
