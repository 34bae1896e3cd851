"""The largest part of a batch that fits into memory at once, by trying it; the batch itself stays what it is."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from cardinet.base.amounts import amount
from cardinet.base.bounds import bounded
from cardinet.base.errors import WorkError, out_of_memory
from cardinet.measure.available_memory import available_memory, gigabytes
from cardinet.train.estimate import FEW, made_up_step, memory_in_parts, part_of_step, timed
from cardinet.train.listener import Listener
from cardinet.train.request import Resolved
from cardinet.train.task import Task

SMALLER = 2
"""The number of smaller parts that are timed too, as the largest one is not always the fastest."""

LONGEST = 10.0
"""The most seconds of a step that is tried on the CPU; where it would take longer, the estimate of memory decides."""


@dataclass(frozen=True)
class Trial:
    """A size that was tried: the pictures that pass at once, in so many parts of a batch, and their speed.

    `fits` says whether they fit into memory, `why` in a few words how that is known. The speed is None if no step was
    timed.
    """

    pictures: int
    parts: int
    fits: bool
    images_per_second: float | None
    why: str = ""


@dataclass(frozen=True)
class BatchSearch:
    """The trials of a search, in order, and the chosen number of parts of a batch."""

    batch: int
    parts: int
    trials: tuple[Trial, ...]

    @property
    def pictures(self) -> int:
        """The most pictures that pass at once."""
        return -(-self.batch // self.parts)

    def to_document(self) -> dict[str, Any]:
        return {"batch_size": self.batch, "accumulate": self.parts, "trials": [asdict(trial) for trial in self.trials]}

    def sentence(self) -> str:
        """The choice, and what was tried."""
        tried = ", ".join(
            f"{trial.pictures:,} {'at ' if trial.fits and trial.images_per_second else ''}{_found(trial)}"
            for trial in self.trials
        )
        if self.parts == 1:
            return (
                f"The whole batch of {amount(self.batch, 'picture')} passes at once (training.accumulate = 1). "
                f"Tried: {tried}."
            )
        return (
            f"At once go {amount(self.pictures, 'picture')}: the batch of {self.batch:,} stays, and passes in "
            f"{self.parts:,} "
            f"parts whose gradients add up (training.accumulate = {self.parts}). Tried: {tried}."
        )


def _found(trial: Trial) -> str:
    if trial.images_per_second is None:
        return f"({trial.why})"
    return f"{trial.images_per_second:,.0f} images/s"


def with_parts(resolved: Resolved, listener: Listener) -> tuple[Resolved, BatchSearch | None]:
    """The run with a number of parts of each batch: the requested one, or the smallest whose parts fit, which is said.

    The result of a search is part of the recipe, which a run records. Of several processes all get the largest number.
    Raises WorkError if not even two pictures fit.
    """
    task = resolved.task
    if task.recipe.training.accumulate:
        return resolved, None
    found = search(task, listener.progress)
    found = replace(found, parts=max(task.ranks.tell(found.parts)))
    listener.said(found.sentence())
    task = replace(task, recipe=task.recipe.but("training", accumulate=found.parts))
    notes = (*resolved.notes, found.sentence())
    return replace(resolved, task=task, memory=memory_in_parts(task, found.parts), notes=notes), found


def search(task: Task, progress: Callable[[str, int, int], None]) -> BatchSearch:
    """Try a batch whole, then in 2, 4, 8 ... parts, until one fits and `SMALLER` more are timed."""
    batch, state, threads = part_of_step(task), torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(task.recipe.machine.threads or threads)
    trials: list[Trial] = []
    try:
        step = made_up_step(task)
        two = timed(step, min(FEW, batch))[1]
        sizes = list(_parts_of(batch))
        for number, parts in enumerate(sizes):
            progress("trying batches", number, len(sizes))
            trials.append(_tried(task, step, batch, parts, two))
            if sum(trial.fits for trial in trials) > SMALLER:
                break
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
    finally:
        _clean(task.device)
        torch.set_rng_state(state)
        torch.set_num_threads(threads)
    fitting = [trial for trial in trials if trial.fits]
    if not fitting:
        raise WorkError(
            f"Not even {amount(FEW, 'picture')} fit into the memory of {task.device}; take a smaller network or "
            "smaller pictures."
        )
    return BatchSearch(batch, fitting[0].parts, tuple(trials))


def _parts_of(batch: int) -> Iterator[int]:
    """1, 2, 4 ... parts, as long as each has `FEW` pictures, of which BN can take the variance."""
    parts = 1
    while parts == 1 or batch // parts >= FEW:
        yield parts
        parts *= 2


def _tried(task: Task, step: Callable[[int], None], batch: int, parts: int, two: float) -> Trial:
    """One size. `two` are the seconds of a step on two pictures."""
    pictures = -(-batch // parts)
    if task.device == "cpu":
        needed, available = memory_in_parts(task, parts).of(batch), available_memory("cpu")
        if bounded() and available is not None and needed > available:
            return Trial(pictures, parts, False, None, f"needs {gigabytes(needed)} of {gigabytes(available)}")
        if (expected := two * pictures / FEW) > LONGEST:
            return Trial(pictures, parts, True, None, f"fits by the estimate; a step takes about {expected:.0f} s")
    try:
        seconds = timed(step, pictures)[1]
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        fits = False
    else:
        return Trial(pictures, parts, True, pictures / seconds)
    _clean(task.device)  # outside of the handler, whose error holds the tensors of the step
    return Trial(pictures, parts, fits, None, "out of memory")


def _clean(device: str) -> None:
    """Give back the memory of a step that is over."""
    gc.collect()
    if device != "cpu":
        torch.cuda.empty_cache()
