"""One contest: contenders at the same work. Their answers are compared with ours in float32, then they run in turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cardinet.bench.contender import Contender
from cardinet.bench.lane import Lane
from cardinet.bench.work import Subject, Unable, Work
from cardinet.export.latency import Latency
from cardinet.measure.timing import rounds_in_turn
from cardinet.runtimes.agreement import difference, disagreement

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

Progress = Callable[[str, int, int], None]

MOST, FRESH, LEAST_FRESH = 500, 20, 3
"""The most rounds, of passes and of cold starts, and the least of cold starts."""


@dataclass(frozen=True)
class Entry:
    """A contender that was timed: how much its answers differ, and the peak of its memory in bytes."""

    contender: str
    about: str
    difference: float
    peak: int | None


@dataclass(frozen=True)
class Contest:
    """What a contest has found. `times` are milliseconds by contender, one for each round.

    `left_out` has the reason for each contender that was not timed. `floor` is the least possible time of a pass in
    milliseconds, if it is known.
    """

    work: Work
    times: Mapping[str, tuple[float, ...]]
    entries: Sequence[Entry]
    left_out: Mapping[str, str] = field(default_factory=dict)
    floor: float | None = None

    @property
    def latency(self) -> Latency:
        return Latency(self.work.batch, self.times)

    def best_other(self, name: str) -> str | None:
        """The fastest of the other contenders; None if there is none."""
        medians = {other: value for other, value in self.latency.median.items() if other != name}
        return min(medians, key=medians.__getitem__) if medians else None

    def against_best(self, name: str) -> tuple[str, float, tuple[float, float]] | None:
        """The fastest other contender, and how many times as fast as it this one is: median and quartiles of rounds."""
        other = self.best_other(name)
        if other is None:
            return None
        ratios = self.latency.ratios(other, name)
        low, middle, high = statistics.quantiles(ratios, n=4)
        return other, middle, (low, high)

    def images_per_second(self, name: str) -> float:
        return 1000 * self.work.batch / self.latency.median[name]

    def share(self, name: str) -> float | None:
        """The share of the achievable speed: the floor divided by the time."""
        return None if self.floor is None else self.floor / self.latency.median[name]

    def to_document(self) -> dict[str, Any]:
        """Plain data, as `cardinet bench --json` prints it."""
        about = {"measure": self.work.measure, "precision": self.work.precision, "batch": self.work.batch}
        about |= {"threads": self.work.threads, "device": self.work.device}
        rows = [self._row(entry) for entry in self.entries]
        left = [{"contender": name, "reason": reason} for name, reason in self.left_out.items()]
        rounds = self.latency.rounds if self.times else 0
        return {**about, "rounds": rounds, "floor": self.floor, "entries": rows, "left_out": left}

    def _row(self, entry: Entry) -> dict[str, Any]:
        name, against = entry.contender, self.against_best(entry.contender)
        found: dict[str, Any] = {"contender": name, "about": entry.about, "milliseconds": self.latency.median[name]}
        found |= {"quartiles": list(self.latency.quartiles(name)), "images_per_second": self.images_per_second(name)}
        found |= {"difference": entry.difference, "peak_bytes": entry.peak, "share_of_roofline": self.share(name)}
        if against is not None:
            other, ratio, quartiles = against
            found["against_best_other"] = {"contender": other, "ratio": ratio, "quartiles": list(quartiles)}
        return {**found, "times": list(self.times[name])}


def hold(
    contenders: Sequence[Contender],
    subject: Subject,
    work: Work,
    reference: Array,
    *,
    seconds: float,
    floor: float | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Contest:
    """Prepare all contenders, compare their answers with the reference, and time those that agree in turn.

    A contender that cannot do the work, or gives other answers, is left out with the reason.
    """
    lanes = {one.name: Lane(one, subject, work) for one in contenders}
    left: dict[str, str] = {}
    differences: dict[str, float] = {}
    try:
        for number, (name, lane) in enumerate(lanes.items()):
            progress(f"{_words(work)}: preparing {name}", number, len(lanes))
            try:
                differences[name] = checked(lane.prepare(), reference, work.precision)
                lane.warm_up()
            except Unable as error:
                left[name] = str(error)
                lane.end()
        times = _timed(lanes, left, seconds, work, progress)
        about = {one.name: one.about for one in contenders}
        entries = [Entry(name, about[name], differences[name], lanes[name].peak()) for name in times]
    finally:
        for lane in lanes.values():
            lane.end()
    return Contest(work, times, entries, left, floor)


def _timed(
    lanes: Mapping[str, Lane], left: dict[str, str], seconds: float, work: Work, progress: Progress
) -> dict[str, tuple[float, ...]]:
    """The times of the lanes that are not left out. One that fails now is left out too, and the others begin again."""
    fresh = work.measure == "start"
    most, least = (FRESH, LEAST_FRESH) if fresh else (MOST, 5)
    while rivals := {name: lane for name, lane in lanes.items() if name not in left}:
        progress(f"{_words(work)}: {len(rivals)} in turn", len(lanes), len(lanes))
        try:
            turns = {name: _named(name, lane) for name, lane in rivals.items()}
            return rounds_in_turn(turns, seconds=seconds, most=most, least=least)
        except _Stopped as error:
            left[error.name] = error.reason
            lanes[error.name].end()
    return {}


class _Stopped(Exception):
    """A contender has failed while it was timed."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason


def _named(name: str, lane: Lane) -> Callable[[], float]:
    def once() -> float:
        try:
            return lane.turn()
        except Unable as error:
            raise _Stopped(name, str(error)) from error

    return once


def checked(answers: Array, reference: Array, precision: str) -> float:
    """How much answers differ from the reference. Raises Unable if that is more than the precision explains."""
    if reason := disagreement(answers, reference, precision):
        raise Unable(reason)
    return difference(answers, reference)


def _words(work: Work) -> str:
    return f"{work.measure}, batch {work.batch}, {work.precision}"
