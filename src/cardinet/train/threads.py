"""The number of threads of a run: the fastest in a short measurement.

The result is kept, so that the same command on the same machine gives the same bits again.
"""

from __future__ import annotations

import functools
import hashlib
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import torch
from pydantic import Field

from cardinet.base.documents import to_json
from cardinet.base.errors import WorkError
from cardinet.base.kept_choice import KeptChoice, file_of, keep, kept
from cardinet.measure.counts import count
from cardinet.networks.document import to_document
from cardinet.runs.environment import hardware, versions
from cardinet.train.estimate import FEW, made_up_step, meta_network, part_of_batch
from cardinet.train.task import Task

SECONDS, MOST = 1.0, 8
"""The approximate seconds, and the most rounds, in which the candidates run in turn."""

MACS = 1_000_000_000
"""The approximate MACs of a measured forward pass, which set its number of pictures: less than 0.1 s on one core."""

HOPELESS = 3
"""A candidate stops after its first step if that takes this many times as long as the best candidate's.

On a busy machine, threads that wait for each other take seconds.
"""

CLEARLY = 0.95
"""More threads are chosen only if a step then needs less than this share of the time."""

KIND, VERSION = "threads", 1


class Choice(KeptChoice):
    """The choice of threads: the median milliseconds of a step by threads, and the fastest number."""

    milliseconds: dict[str, Annotated[float, Field(gt=0)]]
    threads: Annotated[int, Field(ge=1, le=1024)]


def with_threads(task: Task, said: Callable[[str], None]) -> Task:
    """The task with a number of threads: the requested one, the kept choice, or the result of a measurement now.

    On a GPU it is torch's own number. `said` gets a sentence on the choice and how to measure again.
    """
    if task.recipe.machine.threads:
        return task
    if task.device != "cpu":
        return _with(task, torch.get_num_threads())
    if not task.ranks.alone:  # the processes of a machine share its cores, and would disturb each other's measurement
        return _with(task, max(1, candidates()[-1] // task.ranks.here))
    choice = kept(KIND, conditions(task), Choice, VERSION)
    if choice is None:
        choice = measured(task)
        if choice is None:
            said(f"{torch.get_num_threads()} threads: with made-up pictures no step could be measured.")
            return _with(task, torch.get_num_threads())
        keep(KIND, choice)
    said(_sentence(choice))
    return _with(task, choice.threads)


def kept_choice(task: Task) -> tuple[Task, str]:
    """The task with its threads, if they are known without a measurement, and a sentence on them, for a dry run."""
    if task.recipe.machine.threads or task.device != "cpu":
        return with_threads(task, lambda sentence: None), ""
    choice = kept(KIND, conditions(task), Choice, VERSION)
    if choice is None:
        return task, "The number of threads will be measured when the run starts, in seconds; --set threads=N names it."
    return _with(task, choice.threads), _sentence(choice)


def measured(task: Task) -> Choice | None:
    """A choice from some real steps with each number of threads in turn; None if a loss is not finite."""
    before, state = torch.get_num_threads(), torch.get_rng_state()
    try:
        network = meta_network(task)
        macs = count(network, task.preprocessing.crop, task.preprocessing.channels).macs
        pictures = min(max(FEW, MACS // macs), part_of_batch(task))
        step = functools.partial(made_up_step(task), pictures)
        times = _times(step)
    except WorkError:
        return None
    finally:
        torch.set_num_threads(before)
        torch.set_rng_state(state)
    medians = {str(threads): statistics.median(found) for threads, found in times.items()}
    return Choice(version=VERSION, measured_for=conditions(task), milliseconds=medians, threads=fastest(medians))


def candidates() -> list[int]:
    """1, 2, 4, ... and the cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return sorted({1 << i for i in range(cores.bit_length()) if 1 << i <= cores} | {cores})


def fastest(milliseconds: dict[str, float]) -> int:
    """The smallest number of threads that no larger one clearly beats, as unused cores help the data loader."""
    best, *others = sorted(milliseconds, key=int)
    for threads in others:
        if milliseconds[threads] < CLEARLY * milliseconds[best]:
            best = threads
    return int(best)


def _times(step: Callable[[], object]) -> dict[int, list[float]]:
    """Milliseconds of steps with each number of threads, in turn. The first step only warms up."""
    times: dict[int, list[float]] = {}
    rivals, end = [], time.perf_counter() + SECONDS
    for threads in candidates():
        first = _milliseconds(step, threads)
        if times and first > HOPELESS * min(min(found) for found in times.values()):
            times[threads] = [first]
        else:
            times[threads] = [_milliseconds(step, threads)]
            rivals.append(threads)
    for number in range(MOST):
        if len(rivals) < 2 or time.perf_counter() >= end:
            break
        for threads in rivals[:: 1 if number % 2 else -1]:
            times[threads].append(_milliseconds(step, threads))
    return times


def _milliseconds(step: Callable[[], object], threads: int) -> float:
    torch.set_num_threads(threads)
    started = time.perf_counter()
    step()
    return 1000 * (time.perf_counter() - started)


def _with(task: Task, threads: int) -> Task:
    return replace(task, recipe=task.recipe.but("machine", threads=threads))


def _sentence(choice: Choice) -> str:
    file = file_of(KIND, choice.measured_for)
    times = ", ".join(f"{time:.0f} ms with {threads}" for threads, time in choice.milliseconds.items())
    again = "" if file is None else f"; to measure again, remove {file}"
    noun = "thread" if choice.threads == 1 else "threads"
    return f"{choice.threads} {noun}, as measured: a step took {times}. --set threads=N names another number{again}."


def conditions(task: Task) -> dict[str, Any]:
    """The conditions of a choice: machine, network, size, batch, precision and versions."""
    about = hardware("cpu")
    network = to_json([to_document(task.spec), [step.to_document() for step in task.rewrites]])
    return {
        "cpu": about["cpu"],
        "cores": candidates()[-1],
        "network": hashlib.sha256(network.encode()).hexdigest(),
        "size": task.preprocessing.crop,
        "batch": task.clock.batch_size,
        "accumulate": task.recipe.training.accumulate,
        "precision": task.precision,
        "versions": versions(),
    }
