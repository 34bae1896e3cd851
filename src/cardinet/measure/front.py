"""The front of a family at a budget: the networks that no other one beats in cost and capacity.

A network is on the front if no other network within the limits costs at most as much in every limited kind and has at
least as much of every capacity, with one of them better. Capacities (parameters, MACs, activations, depth) are what the
descriptions tell without training; they are not accuracy.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from cardinet.base.amounts import amount
from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.measure.available_memory import require_bytes
from cardinet.measure.budget import CAPACITIES, capacities_of
from cardinet.measure.counts import count
from cardinet.measure.front_request import FrontRequest, checked
from cardinet.measure.memory import evaluation_memory, network_bytes
from cardinet.measure.paths import depth_of
from cardinet.measure.timing import time_in_turn

SECONDS, ROUNDS = 20.0, 25
"""The time for measuring latencies, and the most rounds."""

Progress = Callable[[str, int, int], None]
"""A function that is called with a word for the work, the networks done and those in all."""


@dataclass(frozen=True)
class Candidate:
    """Networks that are alike in all that was measured; `times` are the milliseconds for a batch in each round."""

    names: tuple[str, ...]
    params: int
    macs: int
    activations: int
    depth: int
    memory: int | None = None
    times: tuple[float, ...] = ()

    @property
    def latency(self) -> float | None:
        """The median time in seconds."""
        return statistics.median(self.times) / 1000 if self.times else None

    def of(self, kind: str) -> float:
        """The cost or capacity of a kind."""
        value = getattr(self, kind)
        assert value is not None, kind
        return float(value)

    def to_document(self) -> dict[str, Any]:
        """Plain data; the latency has the median, the quartiles and the number of rounds."""
        document: dict[str, Any] = {"names": list(self.names)}
        document |= {kind: getattr(self, kind) for kind in CAPACITIES}
        if self.memory is not None:
            document["memory"] = self.memory
        if self.times:
            low, _, high = statistics.quantiles(self.times, n=4)
            rounds = {
                "milliseconds": statistics.median(self.times),
                "quartiles": [low, high],
                "rounds": len(self.times),
            }
            document["latency"] = rounds
        return document


@dataclass(frozen=True)
class Front:
    """The networks within the limits, those on the front first, and what they were compared by."""

    limits: Mapping[str, float]
    capacities: tuple[str, ...]
    input_size: int
    batch: int
    compared: int
    left_out: int
    on: tuple[Candidate, ...]
    off: tuple[Candidate, ...]
    threads: int = field(default_factory=torch.get_num_threads)

    def to_document(self) -> dict[str, Any]:
        """Plain data, as `cardinet plan --json` prints it."""
        found: dict[str, Any] = {"budget": dict(self.limits), "capacities": list(self.capacities)}
        found |= {"input_size": self.input_size, "batch": self.batch, "threads": self.threads}
        found |= {"compared": self.compared, "other_picture_sizes": self.left_out}
        return found | {
            "front": [one.to_document() for one in self.on],
            "others": [one.to_document() for one in self.off],
        }


@dataclass
class _Entry:
    name: str
    spec: Any
    measured: Candidate


def front_of(request: FrontRequest, progress: Progress = lambda work, done, total: None) -> Front:
    """Measure the networks that are asked for, and find the front.

    Cheap costs come first, and what exceeds a limit is not measured further. Raises RequestError with all faults of the
    request at once, and if no network is within the limits.
    """
    asked = checked(request)
    specs, side = asked.specs, asked.input_size
    entries = _counted(specs, side, progress)
    nearest = min(entries, key=lambda one: _excess(one.measured, request.limits), default=None)
    entries = _within(entries, request.limits)
    if "memory" in request.limits:
        _add_memory(entries, side, request.batch, progress)
        entries = _within(entries, request.limits)
    if "latency" in request.limits and entries:
        _add_times(entries, side, request.batch)
        entries = _within(entries, request.limits)
    if not entries:
        hint = f"; {nearest.name} is the nearest by its counts" if nearest else ""
        raise RequestError(f"None of the {amount(len(specs), 'network')} is within the budget{hint}. Raise a limit.")
    capacities = capacities_of(request.capacities, request.limits)
    costs = tuple(request.limits)
    alike = _united([entry.measured for entry in entries])
    on = {one.names for one in alike if not any(beats(other, one, costs, capacities) for other in alike)}
    alike.sort(key=lambda one: (*(one.of(kind) for kind in costs), one.names))
    return Front(
        limits=dict(request.limits),
        capacities=capacities,
        input_size=side,
        batch=request.batch,
        compared=len(specs),
        left_out=asked.left_out,
        on=tuple(one for one in alike if one.names in on),
        off=tuple(one for one in alike if one.names not in on),
    )


def beats(one: Candidate, other: Candidate, costs: Sequence[str], capacities: Sequence[str]) -> bool:
    """Whether one network costs at most as much as another and has at least its capacities, and is better in one."""
    gains = [other.of(kind) - one.of(kind) for kind in costs] + [one.of(kind) - other.of(kind) for kind in capacities]
    return min(gains) >= 0 and max(gains) > 0


def _counted(specs: Mapping[str, Any], side: int, progress: Progress) -> list[_Entry]:
    entries = []
    for done, (name, spec) in enumerate(specs.items(), 1):
        counts = count(build(spec, device="meta"), side, spec.in_channels)
        depth = depth_of(spec.path_graph())
        measured = Candidate((name,), counts.params, counts.macs, counts.activations, depth)
        entries.append(_Entry(name, spec, measured))
        progress("counted", done, len(specs))
    return entries


def _within(entries: Sequence[_Entry], limits: Mapping[str, float]) -> list[_Entry]:
    return [entry for entry in entries if _excess(entry.measured, limits) <= 1]


def _excess(measured: Candidate, limits: Mapping[str, float]) -> float:
    """The largest ratio of a cost to its limit, among those that are known."""
    known = {kind: measured.of(kind) for kind in limits if getattr(measured, kind) is not None}
    return max((value / limits[kind] for kind, value in known.items()), default=0.0)


def _add_memory(entries: Sequence[_Entry], side: int, batch: int, progress: Progress) -> None:
    for done, entry in enumerate(entries, 1):
        memory = evaluation_memory(build(entry.spec, device="meta"), side, entry.spec.in_channels, batch).of(batch)
        entry.measured = replace(entry.measured, memory=memory)
        progress("memory of", done, len(entries))


def _add_times(entries: Sequence[_Entry], side: int, batch: int) -> None:
    """Time all networks in turn, so that other work on the machine slows all of them alike.

    Raises RequestError if they do not fit into the memory together.
    """
    needed = sum(network_bytes(build(entry.spec, device="meta")) for entry in entries)
    require_bytes(
        needed, "cpu", f"Timing {amount(len(entries), 'network')} in turn (limit another cost too, or name fewer)"
    )
    calls = {}
    for entry in entries:
        shape = (batch, entry.spec.in_channels, side, side)
        pixels = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        calls[entry.name] = partial(_run, build(entry.spec).eval(), pixels.to(memory_format=torch.channels_last))
    times = time_in_turn(calls, seconds=SECONDS, most=ROUNDS)
    for entry in entries:
        entry.measured = replace(entry.measured, times=times[entry.name])


@torch.inference_mode()
def _run(network: nn.Module, pixels: torch.Tensor) -> None:
    network(pixels)


def _united(measured: Sequence[Candidate]) -> list[Candidate]:
    """Networks with the same counts and memory as one, with all names; its times are those of the first."""
    found: dict[tuple[object, ...], Candidate] = {}
    for one in measured:
        key = (one.params, one.macs, one.activations, one.depth, one.memory)
        same = found.get(key)
        found[key] = one if same is None else replace(same, names=(*same.names, *one.names))
    return list(found.values())
