"""How long a network takes for pictures: contenders in turn, so that a drifting machine meets all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

SECONDS = 2.0
"""Until all contenders together have run so long, after one pass of each that is not counted."""

LEAST, MOST = 5, 200
"""Passes of each contender, whatever they take."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a forward pass: the median and the quartiles of `passes`, on `threads`."""

    median: float
    lower: float
    upper: float
    passes: int
    threads: int


@torch.inference_mode()
def latencies(networks: Mapping[str, nn.Module], pixels: Mapping[str, Tensor]) -> dict[str, Latency]:
    """The latency of each network for its pictures, in eval mode; the modes are put back."""
    modes = {name: network.training for name, network in networks.items()}
    times: dict[str, list[float]] = {name: [] for name in networks}
    for name, network in networks.items():
        network.eval()(pixels[name])
    started = time.perf_counter()
    while len(next(iter(times.values()))) < MOST:
        for name, network in networks.items():
            began = time.perf_counter()
            network(pixels[name])
            times[name].append(1000 * (time.perf_counter() - began))
        if time.perf_counter() - started > SECONDS and len(times[name]) >= LEAST:
            break
    for name, network in networks.items():
        network.train(modes[name])
    return {name: _summary(found) for name, found in times.items()}


def _summary(times: list[float]) -> Latency:
    lower, median, upper = statistics.quantiles(times, n=4)
    return Latency(median, lower, upper, len(times), torch.get_num_threads())
