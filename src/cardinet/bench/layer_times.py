"""Where the time of a pass goes: our network's operations by kind, in a process of its own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cardinet.bench.contender import Contender
from cardinet.bench.lane import first_answers, warm_up
from cardinet.bench.step_kinds import Operation, times_by_kind
from cardinet.bench.work import Subject, Work
from cardinet.bench.worker import Worker

MEASURES = ("inference", "training")
"""The measures that have a view of their layers."""

STEPS = 5
"""The passes that are timed without the profiler, and then with it."""


@dataclass(frozen=True)
class LayerTimes:
    """The milliseconds of each kind in a pass, and the least possible ones, where they are known.

    The kinds add up to `profiled`, the mean time of a pass under the profiler; `plain` is the median time without it.
    """

    work: Work
    contender: str
    plain: float
    profiled: float
    kinds: dict[str, float]
    floors: dict[str, float]

    def to_document(self) -> dict[str, Any]:
        """Plain data, as `cardinet bench --json` prints it."""
        about = {"measure": self.work.measure, "precision": self.work.precision, "batch": self.work.batch}
        rows = [
            {"kind": kind, "milliseconds": time, "share": time / self.profiled, "floor": self.floors.get(kind)}
            for kind, time in self.kinds.items()
        ]
        times = {"milliseconds": self.plain, "profiled": self.profiled}
        return {**about, "contender": self.contender, **times, "kinds": rows}


def layer_times(contender: Contender, subject: Subject, work: Work, floors: dict[str, float]) -> LayerTimes:
    """Look at the layers of a contender that torch runs. Raises Unable if it cannot do the work."""
    contender.check(work)
    with Worker(work.threads) as worker:
        worker.ask(partial(first_answers, contender=contender, subject=subject, work=work))
        worker.ask(warm_up)
        plain: list[float] = worker.ask(plain_times)
        profiled, kinds = worker.ask(profiled_times)
    return LayerTimes(work, contender.name, statistics.median(plain), profiled, kinds, floors)


def plain_times(kept: dict[str, Any]) -> list[float]:
    """The milliseconds of some passes."""
    found = []
    for _ in range(STEPS):
        started = time.perf_counter()
        kept["pass"]()
        found.append(1000 * (time.perf_counter() - started))
    return found


def profiled_times(kept: dict[str, Any]) -> tuple[float, dict[str, float]]:
    """The mean milliseconds of a pass under the profiler, and those of each kind, which add up to it."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], record_shapes=True):
        kept["pass"]()  # the first pass of a process under the profiler takes longer
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as seen:
        started = time.perf_counter()
        for _ in range(STEPS):
            kept["pass"]()
        whole = 1000 * (time.perf_counter() - started)
    events: Any = seen.events()
    kinds = times_by_kind(operations(events), whole)
    return whole / STEPS, {kind: found / STEPS for kind, found in kinds.items()}


def operations(events: Sequence[Any]) -> list[Operation]:
    """The events of torch's profiler with their parents; times in milliseconds."""
    made: dict[int, Operation] = {}

    def of(event: Any) -> Operation:
        if id(event) not in made:
            parent = None if event.cpu_parent is None else of(event.cpu_parent)
            made[id(event)] = Operation(event.name, event.input_shapes or (), event.self_cpu_time_total / 1000, parent)
        return made[id(event)]

    return [of(event) for event in events]
