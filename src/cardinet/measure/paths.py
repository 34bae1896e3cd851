"""The number of paths through a network by length: exact for every topology, from its description alone.

A network of residual units is an ensemble of paths (Veit et al. 2016, arXiv 1605.06431). One algorithm counts them in
any graph of maps. A path to a map goes through one of the earlier maps that it reads, and is longer by the layers
between them. So the counts of a map, by length, are the sum of the shifted counts of the maps that it reads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from cardinet.networks.path_graph import PathGraph, Way

Measure = Literal["units", "layers", "all layers"]
"""How a path is measured: by the branches of units on it; by its layers with weights, where a projection on a shortcut
counts 0, as in the papers; or by all its layers.
"""
MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass(frozen=True)
class PathCounts:
    """The exact number of paths of each length, from the picture to the logits."""

    by_length: Mapping[int, int]

    @property
    def total(self) -> int:
        return sum(self.by_length.values())

    @property
    def mean(self) -> float:
        """The mean length of all paths."""
        return float(self._moment(Fraction(0), 1))

    @property
    def deviation(self) -> float:
        """The standard deviation of the length over all paths."""
        return math.sqrt(self._moment(self._moment(Fraction(0), 1), 2))

    @property
    def shortest(self) -> int:
        return min(self.by_length)

    @property
    def longest(self) -> int:
        return max(self.by_length)

    def share(self, low: int, high: int | None = None) -> float:
        """The share of the paths whose length is from `low` to `high`; without `high` those of length `low`."""
        high = low if high is None else high
        return float(Fraction(sum(n for length, n in self.by_length.items() if low <= length <= high), self.total))

    def middle(self, share: float) -> tuple[int, int]:
        """The narrowest range of lengths, as (low, high), that has at least this share of the paths.

        Of several equally narrow ranges it is the one with the most paths.
        """
        lengths = range(self.shortest, self.longest + 1)
        sums = [0]
        for length in lengths:
            sums.append(sums[-1] + self.by_length.get(length, 0))
        needed = Fraction(share) * self.total
        for width in range(1, len(lengths) + 1):
            held, low = max((sums[i + width] - sums[i], -i) for i in range(len(lengths) - width + 1))
            if held >= needed:
                return lengths[-low], lengths[-low] + width - 1
        return self.shortest, self.longest

    def _moment(self, around: Fraction, order: int) -> Fraction:
        return sum((n * (length - around) ** order for length, n in self.by_length.items()), Fraction(0)) / self.total


def count_paths(graph: PathGraph, by: Measure = "units", *, each_transform: bool = False) -> PathCounts:
    """The number of paths of each length.

    Paths through equal branches side by side (`Way.times`) are counted one by one. With `each_transform` the
    aggregated transforms of a branch are also counted one by one; else they are one way, as in one grouped convolution.
    """
    reached: list[dict[int, int]] = [{0: 1}]
    for ways in graph.maps:
        here: dict[int, int] = {}
        for way in ways:
            longer = _length(way, by)
            times = way.times * (way.transforms if each_transform else 1)
            for length, paths in reached[way.start].items():
                here[length + longer] = here.get(length + longer, 0) + times * paths
        reached.append(here)
    return PathCounts(dict(sorted(reached[-1].items())))


def depth_of(graph: PathGraph) -> int:
    """The layers with weights on the longest path."""
    deepest = [0]
    for ways in graph.maps:
        deepest.append(max(deepest[way.start] + way.layers for way in ways))
    return deepest[-1]


def _length(way: Way, by: Measure) -> int:
    if by == "units":
        return int(way.unit)
    return 0 if by == "layers" and way.projection else way.layers
