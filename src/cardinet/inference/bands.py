"""The order of work on one picture: groups of steps by bands of rows, so that what a step makes is still in the cache.

A group ends with a sum (the end of a residual unit) or a pool. A band of the last map of a group needs certain rows of
the maps before it; each step makes the rows that are missing, so that no row is made twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from cardinet.inference.plan import Map, Work

CACHE = 400 << 10
"""Bytes of maps that a band may need."""

Rows = tuple[int, int, int]
"""A work by its place, its first row and the row after its last."""


def groups_of(works: Sequence[Work]) -> list[range]:
    """The places of works that belong together, in order."""
    made, first = [], 0
    for i, work in enumerate(works):
        if work.step.other is not None or work.kernel in ("max", "adaptive") or i == len(works) - 1:
            made.append(range(first, i + 1))
            first = i + 1
    return made


def banded(works: Sequence[Work], group: range, maps: dict[int, Map]) -> list[Rows]:
    """The works of a group by bands, in an order in which each finds the rows that it reads."""
    maker = {works[i].step.makes: i for i in group}
    last = works[group[-1]]
    height = maps[last.step.makes].height
    row = sum(maps[works[i].step.makes].bytes for i in group) + maps[works[group[0]].step.reads].bytes
    band = min(height, max(1, CACHE * height // row))
    count = -(-height // band)
    done = dict.fromkeys(group, 0)
    order: list[Rows] = []

    def make(place: int, upto: int) -> None:
        work = works[place]
        if upto <= done[place]:
            return
        if work.step.reads in maker:
            source = maps[work.step.reads]
            make(maker[work.step.reads], min(source.height, _needed(work, source, upto)))
        if work.step.other in maker:
            make(maker[work.step.other], upto)
        order.append((place, done[place], upto))
        done[place] = upto

    for part in range(1, count + 1):
        make(group[-1], height * part // count)
    for place in group:  # rows that only other groups read
        make(place, maps[works[place].step.makes].height)
    return order


def _needed(work: Work, source: Map, upto: int) -> int:
    """The rows of the input that the first `upto` rows of the output need."""
    step = work.step
    if work.kernel == "adaptive":
        return source.height
    if work.kernel == "affine":
        return upto
    if work.kernel == "pick":
        return (upto - 1) * step.stride[0] + 1
    return max(0, (upto - 1) * step.stride[0] - step.padding[0] + step.dilation[0] * (step.kernel[0] - 1) + 1)
