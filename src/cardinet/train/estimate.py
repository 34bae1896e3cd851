"""Estimate the cost of a run on this machine: its memory in advance, and its time from some real steps."""

from __future__ import annotations

import copy
import functools
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from cardinet.base.amounts import amount
from cardinet.base.errors import WorkError
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.recomputation import recomputing
from cardinet.build.builder import build
from cardinet.measure.available_memory import available_memory, gigabytes, require_confusion, require_memory
from cardinet.measure.memory import Memory, network_bytes, trained, training_memory
from cardinet.rewrite.steps import apply
from cardinet.runs.memory_checks import batch_memory, memory_bound
from cardinet.runs.prediction import BATCH_SIZE
from cardinet.runs.ranks import ALONE
from cardinet.train.recipe import Recipe
from cardinet.train.task import Task
from cardinet.train.trainee import trainee
from cardinet.train.training_step import NonFinite, forward_backward, update

TIMED_STEPS, TIMED_SECONDS = 3, 2.0
"""The number of timed steps of one size after the first, and the seconds after which no larger size is timed."""

FEW = 2
"""The number of pictures in the first timed step: BN has no variance over a single value."""

ALWAYS = 1_000_000_000
"""Bytes that an evaluation may always take, even if a training step takes less."""

WORTH_IT = 0.9
"""Recomputation is proposed if it needs at most this share of the memory."""


@dataclass(frozen=True)
class Estimate:
    """Expected memory of a training step in GB, and seconds of training without evaluations and decoding.

    The time is None if the memory exceeds what is available.
    """

    gigabytes: float
    seconds: float | None
    images_per_second: float | None

    def to_document(self) -> dict[str, float | None]:
        return asdict(self)


def step_memory(network: nn.Module, recipe: Recipe, side: int, batch: int, precision: str) -> Memory:
    """The memory of a training step of a network on the meta device, with the momenta of SGD and without methods."""
    spec: Any = network.spec
    parts = recipe.training.parts(batch)
    network = as_trained(network, recipe)
    if precision == "float64":
        network.double()
    return training_memory(network, side, spec.in_channels, batch, parts=parts, bfloat16=precision == "bfloat16")


def as_trained(network: nn.Module, recipe: Recipe) -> Classifier:
    """A copy of a network on the meta device with what makes its steps cheaper: recomputation, frozen parameters."""
    empty = cast(Classifier, copy.deepcopy(network))
    recomputing(empty, recipe.training.recompute)
    for method in recipe.methods.values():
        for parameter in method.untrained(empty):
            parameter.requires_grad_(False)
    return empty


def with_additions(found: Memory, network: nn.Module, recipe: Recipe, side: int, batch: int) -> Memory:
    """The memory of a step, and what the optimizer, the methods of the recipe and a checkpoint need in addition."""
    learning = trained(as_trained(network, recipe))
    momenta = sum(p.numel() * p.element_size() for p in learning)  # they are counted once already
    held = network_bytes(network) + recipe.optimizer.STATES * momenta  # the copy that is written beside the steps
    found = Memory(found.fixed + (recipe.optimizer.STATES - 1) * momenta + held, found.per_picture)
    parts = recipe.training.parts(batch)
    part = -(-batch // parts)
    for method in recipe.methods.values():
        more = method.memory(cast(Classifier, network), side, part)
        found = Memory(found.fixed + more.fixed, found.per_picture + -(-more.per_picture // parts))
    return found


def require_step(network: nn.Module, recipe: Recipe, side: int, batch: int, device: str, precision: str) -> Memory:
    """The memory of a training step of a network on the meta device.

    Raises RequestError if the step, or the confusion matrix, needs more memory than is available.
    """
    spec: Any = network.spec
    require_confusion(spec.num_classes)

    def needed(recipe: Recipe) -> Memory:
        return with_additions(step_memory(network, recipe, side, batch, precision), network, recipe, side, batch)

    def by_recomputation() -> str:
        less = needed(recipe.but("training", recompute=True)).of(batch)
        if less > WORTH_IT * memory.of(batch):
            return ""
        return f"With --set recompute=true it needs about {gigabytes(less)} and more time."

    memory = needed(recipe)
    size = f"batches of {amount(batch, 'picture')} of {side} x {side} pixels"
    require_memory(memory, batch, device, "A training step", size, by_recomputation)
    return memory


def memory_in_parts(task: Task, parts: int) -> Memory:
    """The memory of a step in this process whose batch passes in so many parts."""
    recipe, batch, side = task.recipe.but("training", accumulate=parts), part_of_step(task), task.preprocessing.crop
    network = meta_network(task)
    found = step_memory(network, recipe, side, batch, task.precision)
    return with_additions(found, network, recipe, side, batch)


def meta_network(task: Task) -> nn.Module:
    """The network of a task on the meta device, without the rewrites that its methods add."""
    return apply(build(task.spec, device="meta"), task.recipe.network.steps())


def evaluation_batch(task: Task, network: nn.Module) -> int:
    """The batch size of a run's evaluations: smaller than usual if these would take more memory than a training step.

    It depends on the task alone, so that a run has the same figures on every machine.
    """
    batch = task.clock.batch_size
    if (
        batch // task.recipe.training.parts(batch) >= BATCH_SIZE
        or memory_bound(network, task.preprocessing.crop, BATCH_SIZE) <= ALWAYS
    ):
        return BATCH_SIZE
    step = step_memory(meta_network(task), task.recipe, task.preprocessing.crop, batch, task.precision).of(batch)
    return min(
        BATCH_SIZE, max(1, batch_memory(network, task.preprocessing, BATCH_SIZE).largest_batch(max(step, ALWAYS)))
    )


def estimate(task: Task, memory: Memory) -> Estimate:
    """The memory and the time of a step at the task's batch size."""
    batch = task.clock.batch_size
    available = available_memory(task.device)
    if available is not None and memory.of(batch) > available:  # the bounds are lifted
        return Estimate(memory.of(batch) / 1e9, None, None)
    step = _seconds_of_step(task)
    pixels = task.sides.share(task.clock.length, task.preprocessing.crop)
    return Estimate(memory.of(batch) / 1e9, task.clock.length * step * pixels, batch / (step * pixels))


def part_of_step(task: Task) -> int:
    """The pictures of a step in this process."""
    return task.clock.batch_size // task.ranks.count


def part_of_batch(task: Task) -> int:
    """The most pictures that pass through the network at once."""
    batch = task.clock.batch_size
    return -(-batch // task.recipe.training.parts(batch))


def made_up_step(task: Task) -> Callable[[int], None]:
    """A real training step to be timed: the task's network with new random weights, on random pictures.

    The step raises WorkError if the loss is not finite.
    """
    task = replace(task, ranks=ALONE)
    subject = trainee(task, build(task.spec, init=task.recipe.network.init))
    dtype = next(subject.network.parameters()).dtype
    side, recipe = task.preprocessing.crop, task.recipe
    passes = functools.partial(forward_backward, autocast=task.precision == "bfloat16")

    @functools.cache
    def batch(pictures: int) -> tuple[Tensor, Tensor]:
        pixels = torch.randn(pictures, task.preprocessing.channels, side, side, device=task.device, dtype=dtype)
        labels = torch.zeros(pictures, dtype=torch.int64, device=task.device)
        return pixels.to(memory_format=torch.channels_last), labels

    def step(pictures: int) -> None:
        try:
            hooks = tuple(subject.hooks.values())
            passes(subject.network, *batch(pictures), recipe.objective, hooks=hooks)
            for method in hooks:
                method.after_backward(lambda network, objective: passes(network, *batch(pictures), objective)[0])
            update(subject.whole, subject.optimizer, 0.0, recipe.training.clip)
        except NonFinite as error:
            raise WorkError(f"On made-up pictures {error.what}; look at the settings of the network.") from None
        if task.device != "cpu":
            torch.cuda.synchronize()

    return step


def _seconds_of_step(task: Task) -> float:
    """The approximate time of a step. More and more pictures are timed; a long batch is extrapolated from two sizes."""
    torch.set_num_threads(task.recipe.machine.threads or torch.get_num_threads())
    step, part = made_up_step(task), part_of_batch(task)
    parts = task.clock.batch_size / part
    before, pictures = (0, 0.0), min(FEW, part)
    spent, seconds = timed(step, pictures)
    while pictures < part and (spent < TIMED_SECONDS or not before[0]):
        before, pictures = (pictures, seconds), min(part, 4 * pictures)
        more, seconds = timed(step, pictures)
        spent += more
    slope = max(0.0, seconds - before[1]) / (pictures - before[0])
    return parts * (seconds + slope * (part - pictures))


def timed(step: Callable[[int], None], pictures: int) -> tuple[float, float]:
    """The seconds spent on timing, and the seconds of one step: a median, or the first step if it is long."""
    times: list[float] = []
    while len(times) <= TIMED_STEPS and sum(times) < TIMED_SECONDS / 4:
        started = time.perf_counter()
        step(pictures)
        times.append(time.perf_counter() - started)
    return sum(times), statistics.median(times[1:] or times)
