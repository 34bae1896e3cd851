"""Measure a network while one thing grows: the same contests for each value of an axis."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cardinet.base.errors import CardinetError, Findings, RequestError
from cardinet.bench.axes import Axis, Variant, over
from cardinet.bench.bend import Growth, growth
from cardinet.bench.contest import Contest
from cardinet.bench.job import Progress, contests, subject_in
from cardinet.bench.machine import described, load, warnings
from cardinet.bench.peaks import Peaks, measure_peaks
from cardinet.bench.request import Request, resolve
from cardinet.bench.work import Work
from cardinet.bench.worker import Worker
from cardinet.measure.counts import Counts, count_spec


@dataclass(frozen=True)
class Point:
    """What was measured at a value of the axis."""

    place: float
    name: str
    counts: Counts
    contests: tuple[Contest, ...]

    def to_document(self) -> dict[str, Any]:
        counts = {"params": self.counts.params, "macs": self.counts.macs, "activations": self.counts.activations}
        return {"value": self.place, "name": self.name, **counts, "contests": [c.to_document() for c in self.contests]}


@dataclass(frozen=True)
class Curve:
    """One contender at one kind of work along the axis: milliseconds with quartiles, and peak bytes where known.

    Both are of a batch. `time` and `memory` are how they grow, if there are two or more points.
    """

    work: Work
    contender: str
    places: tuple[float, ...]
    milliseconds: tuple[float, ...]
    quartiles: tuple[tuple[float, float], ...]
    peaks: tuple[int | None, ...]

    @property
    def time(self) -> Growth | None:
        return growth(self.places, self.milliseconds) if len(self.places) > 1 else None

    @property
    def memory(self) -> Growth | None:
        known = [(x, y) for x, y in zip(self.places, self.peaks, strict=True) if y]
        return growth(*zip(*known, strict=True)) if len(known) > 1 else None


@dataclass(frozen=True)
class Grown:
    """What was measured along an axis, on one machine. `notes` name the values that could not be measured."""

    model: str
    axis: Axis
    seed: int
    machine: dict[str, Any]
    peaks: Peaks
    points: tuple[Point, ...]
    load: dict[str, dict[str, Any]]
    notes: tuple[str, ...] = ()

    def curves(self) -> tuple[Curve, ...]:
        """A curve for each kind of work and contender."""
        found: dict[tuple[Work, str], list[tuple[Point, Contest]]] = {}
        for point in self.points:
            for contest in point.contests:
                work = self._without_axis(contest.work)
                for entry in contest.entries:
                    found.setdefault((work, entry.contender), []).append((point, contest))
        return tuple(_curve(work, name, pairs) for (work, name), pairs in found.items())

    def _without_axis(self, work: Work) -> Work:
        """A work as the name of a curve: what grows along the axis is 0."""
        if self.axis.name == "batch-size":
            return replace(work, batch=0)
        return replace(work, threads=0) if self.axis.name == "threads" else work

    def to_document(self) -> dict[str, Any]:
        """Plain data, as `cardinet bench --over --json` prints it."""
        about = {"model": self.model, "over": self.axis.name, "fixed": self.axis.fixed, "seed": self.seed}
        machine = {"machine": self.machine, "load": self.load, "peaks": self.peaks.to_document()}
        points = [point.to_document() for point in self.points]
        curves = [_document(curve) for curve in self.curves()]
        return {**about, **machine, "points": points, "growth": curves, "notes": list(self.notes)}


def check(text: str, request: Request) -> tuple[Axis, tuple[Variant, ...]]:
    """The axis of "AXIS=V,V" and its variants, all checked. Raises RequestError with all faults."""
    findings = Findings()
    axis: Axis | None = None
    variants: tuple[Variant, ...] = ()
    with findings:
        request.check()
        if request.layers:
            raise RequestError("--layers looks at one network, and --over at several; omit one of them.")
    with findings:
        axis, variants = over(text, request)
    for variant in variants:
        with findings:
            variant.request.check()
    findings.raise_if_any()
    assert axis is not None
    return axis, variants


def grow(axis: Axis, variants: tuple[Variant, ...], progress: Progress = lambda what, done, total: None) -> Grown:
    """Hold the contests of each variant, the smallest first. One that cannot be measured is named in the notes."""
    start = load()
    request = variants[0].request
    asked = resolve(request)
    with Worker(asked.threads) as worker:
        peaks: Peaks = worker.ask(partial(measure_peaks, threads=asked.threads, device=asked.device))
    points, notes = [], []
    for variant in variants:

        def told(what: str, done: int, total: int, name: str = variant.name) -> None:
            progress(f"{axis.name} {name}: {what}", done, total)

        try:
            points.append(_point(variant, peaks, told))
        except CardinetError as error:
            notes += [f"{axis.name} {variant.name} was not measured: {text}" for text in error.findings]
    end = load()
    return Grown(
        model=str(request.model),
        axis=axis,
        seed=request.seed,
        machine=described(asked.device, asked.threads),
        peaks=peaks,
        points=tuple(points),
        load={"start": start, "end": end},
        notes=(*notes, *warnings(start, end)),
    )


def _point(variant: Variant, peaks: Peaks, progress: Progress) -> Point:
    asked = resolve(variant.request)
    works = [*asked.works()]
    with tempfile.TemporaryDirectory(prefix="cardinet-bench-") as folder:
        subject = subject_in(Path(folder), asked, works)
        held = contests(asked, subject, works, peaks, progress)
    return Point(variant.place, variant.name, count_spec(asked.model.spec, asked.side), held)


def _curve(work: Work, name: str, pairs: list[tuple[Point, Contest]]) -> Curve:
    entries = [next(entry for entry in contest.entries if entry.contender == name) for _, contest in pairs]
    return Curve(
        work,
        name,
        tuple(point.place for point, _ in pairs),
        tuple(contest.latency.median[name] for _, contest in pairs),
        tuple(contest.latency.quartiles(name) for _, contest in pairs),
        tuple(entry.peak for entry in entries),
    )


def _document(curve: Curve) -> dict[str, Any]:
    work: dict[str, Any] = {"measure": curve.work.measure, "precision": curve.work.precision}
    if curve.work.batch:
        work["batch"] = curve.work.batch
    rows = {"values": list(curve.places), "milliseconds": list(curve.milliseconds), "peak_bytes": list(curve.peaks)}
    found = {"time": curve.time, "memory": curve.memory}
    bends = {name: None if one is None else vars(one) for name, one in found.items()}
    return {**work, "contender": curve.contender, **rows, **bends}
