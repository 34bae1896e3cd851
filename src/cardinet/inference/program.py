"""Who does what when: a planned network as the tables of numbers that `ops/kernels/forward.cpp` reads.

Every thread takes whole pictures through the first part of a network, where maps are large and weights small, so that
maps stay in its cache; and several at once through the rest, so that weights are read once for them. Pictures that are
fewer than threads are done together, step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch

from cardinet.inference.bands import banded, groups_of
from cardinet.inference.memory import SLACK, Arena
from cardinet.inference.packing import PANEL
from cardinet.inference.plan import Map, Work
from cardinet.inference.steps import Step
from cardinet.ops.forward import KINDS, SHARED, Program

NO_MAP = (0, 0, 0, 0, 0)


def program_of(works: Sequence[Work], maps: dict[int, Map], images: int, threads: int) -> Program:
    """The program for a number of pictures."""
    whole = _with_ends(works, maps)
    tables = _Tables(whole, maps)
    alone = images - images % threads
    if alone:
        tables.alone(alone, threads)
    if images > alone:
        tables.together(alone, images - alone, threads)
    layers = [_layer(work, maps) for work in whole]
    return Program(
        layers=torch.tensor(layers, dtype=torch.int64),
        tasks=torch.tensor(tables.tasks, dtype=torch.int64),
        pieces=torch.tensor([*tables.pieces, len(tables.tasks)], dtype=torch.int64),
        starts=torch.tensor(tables.starts, dtype=torch.int64),
        own_bytes=tables.own_bytes + SLACK,
        shared_bytes=tables.shared_bytes + SLACK,
    )


class _Tables:
    """The tasks of phases and their memory, so far."""

    def __init__(self, works: Sequence[Work], maps: dict[int, Map]) -> None:
        self.works, self.maps = works, maps
        self.tasks: list[tuple[int, ...]] = []
        self.pieces: list[int] = []
        self.starts: list[int] = []
        self.own_bytes = self.shared_bytes = 0

    def phase(self, pieces: Sequence[Sequence[tuple[int, ...]]]) -> None:
        """Add pieces that may run at one time, after all before them."""
        first = len(self.pieces)
        for tasks in pieces:
            self.pieces.append(len(self.tasks))
            self.starts.append(first)
            self.tasks.extend(tasks)

    def share(self, arena: Arena) -> dict[int, int]:
        """Take the memory of an arena from the shared one: where its maps are."""
        places = {value: SHARED + self.shared_bytes + place for value, place in arena.places.items()}
        self.shared_bytes += arena.bytes
        return places

    def alone(self, images: int, threads: int) -> None:
        """Two phases: each picture through the early works, then equal parts of the pictures through the late ones."""
        works, maps = self.works, self.maps
        cut = _cut(works, maps)
        early, late = works[:cut], works[cut:]
        made = {work.step.makes for work in early}
        crossing = {value for work in late for value in work.reads} & made
        bridge, own = Arena(images), Arena(1)
        bridge.lay(works, maps, crossing)  # of all works: they live until the late ones have read them
        own.lay(early, maps, made - crossing)
        bases, self.own_bytes = self.share(bridge), own.bytes
        order = [rows for group in groups_of(early) for rows in banded(early, group, maps)]
        pieces = []
        for image in range(images):
            at = own.places | {value: base + image * maps[value].bytes for value, base in bases.items()}
            pieces.append([_rows(_task(i, early[i], maps, at, image, 1), *rows) for i, *rows in order])
        self.phase(pieces)
        pieces, some = [], images // threads
        for first in range(0, images, some):
            arena = Arena(some)
            arena.lay(late, maps, {work.step.makes for work in late})
            at = self.share(arena) | {value: base + first * maps[value].bytes for value, base in bases.items()}
            pieces.append([_task(cut + i, work, maps, at, first, some) for i, work in enumerate(late)])
        self.phase(pieces)

    def together(self, first: int, images: int, threads: int) -> None:
        """A phase for each work, in which the threads share the pictures from `first` on."""
        arena = Arena(images)
        arena.lay(self.works, self.maps, {work.step.makes for work in self.works})
        at = self.share(arena)
        for i, work in enumerate(self.works):
            self.phase([[task] for task in _divided(i, work, self.maps, at, first, images, threads)])


def _with_ends(works: Sequence[Work], maps: dict[int, Map]) -> list[Work]:
    """The works between one that takes the pixels and one that gives the logits."""
    end = works[-1].step.makes
    picture = Step(kind="picture", reads=-1, makes=0, channels=maps[0].channels)
    logits = Step(kind="logits", reads=end, makes=-2, channels=maps[end].channels)
    maps[-1] = maps[0]
    maps[-2] = replace(maps[end])
    return [Work(picture, "picture"), *works, Work(logits, "logits")]


def _cut(works: Sequence[Work], maps: dict[int, Map]) -> int:
    """The first work whose weights are larger than its maps."""
    for i, work in enumerate(works):
        weights = 0 if work.weights is None else work.weights.nbytes
        if weights > maps[work.step.reads].bytes + maps[work.step.makes].bytes:
            return i
    return len(works)


def _panels(work: Work) -> int:
    groups = work.step.groups
    return groups * -(-work.step.channels // groups // PANEL)


def _task(
    at_layer: int, work: Work, maps: dict[int, Map], at: dict[int, int], image: int, images: int
) -> tuple[int, ...]:
    step = work.step
    reads = image if work.kernel == "picture" else at[step.reads]
    makes = image if work.kernel == "logits" else at[step.makes]
    other = reads if step.other is None else at[step.other]
    return (at_layer, images, 0, maps[step.makes].height, 0, _panels(work), reads, makes, other)


def _divided(
    at_layer: int, work: Work, maps: dict[int, Map], at: dict[int, int], image: int, images: int, threads: int
) -> list[tuple[int, ...]]:
    """One task as several: parts of its rows, or of its panels where there are few rows or many weights."""
    whole = _task(at_layer, work, maps, at, image, images)
    rows, panels = maps[work.step.makes].height, _panels(work)
    weights = 0 if work.weights is None else work.weights.nbytes
    if work.kernel == "logits":
        return [whole]
    if work.kernel == "dense" and (rows < 4 * threads or weights > maps[work.step.reads].bytes) and panels >= threads:
        return [(*whole[:4], *part, *whole[6:]) for part in _parts(panels, threads)]
    if rows < 2 * threads:
        return [whole]
    return [_rows(whole, *part) for part in _parts(rows, threads)]


def _rows(task: tuple[int, ...], first: int, last: int) -> tuple[int, ...]:
    """A task with other rows of its output."""
    return (*task[:2], first, last, *task[4:])


def _parts(count: int, parts: int) -> list[tuple[int, int]]:
    edges = [count * i // parts for i in range(parts + 1)]
    return list(pairwise(edges))


def _layer(work: Work, maps: dict[int, Map]) -> tuple[int, ...]:
    step = work.step
    other = NO_MAP if step.other is None else maps[step.other].fields
    return (
        KINDS.index(work.kernel),
        int(step.relu),
        int(work.wide),
        *maps[step.reads].fields,
        *maps[step.makes].fields,
        *other,
        *step.kernel,
        *step.stride,
        *step.padding,
        *step.dilation,
        step.groups,
        work.option,
        0 if work.weights is None else work.weights.data_ptr(),
        0 if work.bias is None else work.bias.data_ptr(),
    )
