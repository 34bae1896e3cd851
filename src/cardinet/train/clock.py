"""The length of a run, and its durations in steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from cardinet.base.amounts import amount
from cardinet.base.durations import Duration
from cardinet.base.errors import RequestError
from cardinet.base.settings import Settings


class TrainingSettings(Settings):
    """How long a run is, how large its batches are, and how often something is written down."""

    length: Duration = Duration("10 epochs")
    """The length of the run."""

    batch_size: Annotated[int, Field(ge=1)] = 128
    """The number of pictures in a batch, which makes one step."""

    accumulate: Annotated[int, Field(ge=0)] = 1
    """The number of parts in which a batch passes through the network; their gradients add up, and less memory is
    needed. 0: the smallest number whose parts fit, by trying; --find-batch sets it.
    """

    recompute: bool = False
    """Whether the backward pass computes each unit of the network again, so that only what goes into it is kept
    (gradient checkpointing): less memory, more time, the same result.
    """

    repeats: Annotated[int, Field(ge=1)] = 1
    """How many times each picture of a batch is in it, augmented anew each time (repeated augmentation); an epoch then
    has as many batches and so many times fewer pictures.
    """

    balanced: bool = False
    """Whether every class is in an epoch equally often: of a large class only some pictures, of a small one several
    copies; false: every picture once.
    """

    sync_norm: bool = True
    """Whether several processes compute the statistics of BN over the whole batch; false: each over its own part, which
    is faster.
    """

    clip: Annotated[float, Field(gt=0)] | None = None
    """The largest norm of all gradients together; longer ones are scaled down to it. None: they stay as they are."""

    log_every: Duration = Duration("50 steps")
    """The time between two training lines in metrics.jsonl."""

    evaluate_every: Duration = Duration("1 epoch")
    """The time between two evaluations on validation pictures."""

    checkpoint_seconds: Annotated[float, Field(ge=0)] = 120
    """The seconds between two checkpoints; each evaluation writes one too."""

    def parts(self, batch: int) -> int:
        """The number of parts of a batch of so many pictures; while it is open, as many as there can be."""
        return min(self.accumulate or max(1, batch // 2), batch)


@dataclass(frozen=True)
class Clock:
    """The durations of a run in steps."""

    steps_per_epoch: int
    batch_size: int
    length: int
    log_every: int
    evaluate_every: int

    def steps(self, duration: Duration) -> int:
        """The number of steps of a duration in this run."""
        return duration.steps(steps_per_epoch=self.steps_per_epoch, batch_size=self.batch_size, whole=self.length)

    def epoch(self, step: int) -> float:
        """The epochs done after `step` steps."""
        return step / self.steps_per_epoch

    def evaluates(self, step: int) -> bool:
        return step % self.evaluate_every == 0 or step == self.length

    def logs(self, step: int) -> bool:
        return step % self.log_every == 0 or step == self.length


def make_clock(settings: TrainingSettings, pictures: int) -> Clock:
    """The clock of a run on so many pictures. Raises RequestError if a duration is shorter than a step."""
    batch_size = min(settings.batch_size, pictures)
    units = {"steps_per_epoch": pictures // batch_size, "batch_size": batch_size}
    length = settings.length.steps(**units)
    if length < 1:
        raise RequestError(
            f'training.length = "{settings.length}" is less than one step of {amount(batch_size, "picture")}.'
        )
    every = {name: getattr(settings, name).steps(**units, whole=length) for name in ("log_every", "evaluate_every")}
    for name, steps in every.items():
        if steps < 1:
            raise RequestError(f'training.{name} = "{getattr(settings, name)}" is less than one step.')
    return Clock(**units, length=length, **every)
