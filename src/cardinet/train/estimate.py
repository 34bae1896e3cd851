"""What a run will cost on this machine: memory, before any is taken, and time, from some real steps."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from cardinet.base.errors import WorkError
from cardinet.measure.available import available_memory, require_confusion, require_memory
from cardinet.measure.memory import Memory, training_memory
from cardinet.networks.builder import build
from cardinet.rewrite.registry import apply
from cardinet.runs.prediction import BATCH_SIZE
from cardinet.runs.room import batch_memory, roomy
from cardinet.train.optimizer import NonFinite, forward_backward, make_optimizer, update
from cardinet.train.recipe import Recipe
from cardinet.train.task import Task

TIMED_STEPS = 3


ALWAYS = 1_000_000_000
"""Bytes that an evaluation may take even where a training step takes less."""


@dataclass(frozen=True)
class Estimate:
    """Expected memory of a training step in GB, and seconds of training (evaluations and decoding apart).

    Nothing is timed (None) where the memory is more than there is.
    """

    gigabytes: float
    seconds: float | None
    images_per_second: float | None

    def to_document(self) -> dict[str, float | None]:
        return asdict(self)


def step_memory(spec: Any, recipe: Recipe, side: int, batch: int, precision: str) -> Memory:
    """What a training step takes."""
    network: Any = apply(build(spec, device="meta"), recipe.network.steps())
    parts = min(recipe.optimizer.accumulate, batch)
    return training_memory(
        network, side, network.spec.in_channels, batch, parts=parts, bfloat16=precision == "bfloat16"
    )


def require_step(spec: Any, recipe: Recipe, side: int, batch: int, device: str, precision: str) -> None:
    """Raise RequestError where a step, or the confusion matrix, takes more memory than there is; before any work."""
    require_confusion(spec.num_classes)
    size = f"batches of {batch:,} pictures of {side} x {side} pixels"
    require_memory(step_memory(spec, recipe, side, batch, precision), batch, device, "A training step", size)


def evaluation_batch(task: Task, network: nn.Module) -> int:
    """The pictures in a batch of a run's evaluations: fewer than elsewhere where these would take more than a step.

    It follows from the task alone, so that the same run has the same figures on every machine.
    """
    batch = task.clock.batch_size
    if (
        batch // task.recipe.optimizer.accumulate >= BATCH_SIZE
        or roomy(network, task.preprocessing, BATCH_SIZE) <= ALWAYS
    ):
        return BATCH_SIZE
    step = step_memory(task.spec, task.recipe, task.preprocessing.crop, batch, task.precision).of(batch)
    return min(
        BATCH_SIZE, max(1, batch_memory(network, task.preprocessing, BATCH_SIZE).largest_batch(max(step, ALWAYS)))
    )


def estimate(task: Task) -> Estimate:
    """The memory of a step, and the time of some at the task's batch size, after one that is not counted."""
    batch, side = task.clock.batch_size, task.preprocessing.crop
    needed = step_memory(task.spec, task.recipe, side, batch, task.precision).of(batch)
    available = available_memory(task.device)
    if available is not None and needed > available:  # the bounds are lifted
        return Estimate(needed / 1e9, None, None)
    step = _seconds_of_step(task)
    return Estimate(needed / 1e9, task.clock.length * step, batch / step)


def made_up_step(task: Task, pictures: int) -> Callable[[], None]:
    """A real training step of the task's network, drawn anew, on so many made-up pictures at once, to be timed.

    It raises WorkError where the loss is not finite.
    """
    network = apply(build(task.spec, init=task.recipe.network.init), task.rewrites).to(task.device)
    settings = task.recipe.optimizer
    if pictures < task.clock.batch_size:  # a part of a batch
        settings = settings.model_copy(update={"accumulate": 1})
    optimizer = make_optimizer(network, settings, task.recipe.pruning.compactor_momentum)
    side = task.preprocessing.crop
    pixels = torch.randn(pictures, task.preprocessing.channels, side, side, device=task.device)
    pixels = pixels.to(memory_format=torch.channels_last)
    labels = torch.zeros(pictures, dtype=torch.int64, device=task.device)

    def step() -> None:
        try:
            forward_backward(network, pixels, labels, settings, task.precision == "bfloat16")
            update(network, optimizer, 0.0, settings.clip)
        except NonFinite as error:
            raise WorkError(f"On made-up pictures {error.what}; look at the settings of the network.") from None
        if task.device != "cpu":
            torch.cuda.synchronize()

    return step


def _seconds_of_step(task: Task) -> float:
    torch.set_num_threads(task.recipe.machine.threads or torch.get_num_threads())
    step = made_up_step(task, task.clock.batch_size)
    times = []
    for _ in range(TIMED_STEPS + 1):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])
