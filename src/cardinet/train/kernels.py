"""The kernels of a run's training: torch's, or Cardinet's own where a long run gains by them.

The result of the measurement is kept and recorded, so that the same command on the same machine, and its resume, give
the same bits again.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from cardinet.base.errors import WorkError
from cardinet.base.kept_choice import KeptChoice, file_of, keep, kept
from cardinet.measure.counts import count
from cardinet.measure.timing import rounds_in_turn
from cardinet.ops.batch_norm import available
from cardinet.train.estimate import FEW, made_up_step, meta_network, part_of_batch
from cardinet.train.task import Task
from cardinet.train.threads import MACS, conditions

SECONDS, LEAST, MOST = 2.0, 5, 30
"""The approximate seconds, and the least and most rounds, in which steps with both run in turn."""

LONG = 3e13
"""The MACs of a training, about ten minutes of two cores, from which on a choice is made: a first use compiles for half
a minute, and a run gains some hundredths of its time.
"""

CLEARLY = 0.97
"""Own kernels are chosen if a step needs less than this share of the time."""

KIND, VERSION = "kernels", 1

Kernels = Literal["torch", "own"]


class Choice(KeptChoice):
    """The choice of kernels: the median milliseconds of a step with each, and the faster ones."""

    milliseconds: dict[Kernels, Annotated[float, Field(gt=0)]]
    kernels: Kernels


def with_kernels(task: Task, said: Callable[[str], None]) -> Task:
    """The task with kernels: the requested ones, the kept choice, or the result of a measurement now.

    Without a request, short runs, several processes and other devices than the CPU have torch's. The task's threads are
    known. `said` gets a sentence on a choice.
    """
    if task.recipe.machine.kernels != "auto":
        return task
    if not is_long(task) or not available("cpu"):
        return _with(task, "torch")
    about = {**conditions(task), "threads": task.recipe.machine.threads}
    choice = kept(KIND, about, Choice, VERSION)
    if choice is None:
        choice = _measured(task, about)
        if choice is None:
            return _with(task, "torch")
        keep(KIND, choice)
    said(_sentence(choice))
    return _with(task, choice.kernels)


def is_long(task: Task) -> bool:
    """Whether the kernels of a task are chosen by a measurement: one process trains for long on the CPU."""
    if task.device != "cpu" or not task.ranks.alone or task.precision == "float64":
        return False
    side = task.preprocessing.crop
    macs = count(meta_network(task), side, task.preprocessing.channels).macs
    pictures = task.clock.length * task.clock.batch_size * task.sides.share(task.clock.length, side)
    return 3 * macs * pictures >= LONG  # a backward pass has two products for each of the forward pass


def faster(milliseconds: Mapping[Kernels, float]) -> Kernels:
    """Own kernels if they are clearly faster."""
    return "own" if milliseconds["own"] < CLEARLY * milliseconds["torch"] else "torch"


def _measured(task: Task, about: dict[str, Any]) -> Choice | None:
    """A choice from some real steps with both in turn; None if a loss is not finite."""
    before, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(task.recipe.machine.threads)
    macs = count(meta_network(task), task.preprocessing.crop, task.preprocessing.channels).macs
    pictures = min(max(FEW, MACS // macs), part_of_batch(task))
    rivals: tuple[Kernels, ...] = ("torch", "own")
    try:
        steps = {name: functools.partial(made_up_step(_with(task, name)), pictures) for name in rivals}
        for step in steps.values():
            step()
        turns: dict[str, Callable[[], float]] = {}
        turns.update((name, functools.partial(_milliseconds, step)) for name, step in steps.items())
        times = rounds_in_turn(turns, seconds=SECONDS, most=MOST, least=LEAST)
    except WorkError:
        return None
    finally:
        torch.set_num_threads(before)
        torch.set_rng_state(state)
    medians = {name: statistics.median(times[name]) for name in rivals}
    return Choice(version=VERSION, measured_for=about, milliseconds=medians, kernels=faster(medians))


def _milliseconds(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return 1000 * (time.perf_counter() - started)


def _with(task: Task, kernels: Kernels) -> Task:
    return replace(task, recipe=task.recipe.but("machine", kernels=kernels))


def _sentence(choice: Choice) -> str:
    times = ", ".join(f"{time:.0f} ms with {name}" for name, time in choice.milliseconds.items())
    file = file_of(KIND, choice.measured_for)
    again = "" if file is None else f"; to measure again, remove {file}"
    return f"Kernels: {choice.kernels}, as measured: a step took {times}. --set kernels=NAME names others{again}."
