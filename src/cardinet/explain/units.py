"""The units of a network that can be deleted, and what deleting one means for its kind (`Deletion`).

What changes the shape and has no shortcut cannot be deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.blocks.classifier import Classifier
from cardinet.blocks.densenet import DenseLayer
from cardinet.blocks.fractalnet import FractalBlock
from cardinet.blocks.merge_and_run import MergeAndRunBlock
from cardinet.build.meta import on_meta
from cardinet.explain.chain import Chain, State, Step, chain_of
from cardinet.explain.switches import Switch, replica, switched_in_place

SIDE, PIXELS = 64, 6
"""The picture by which shapes are found has at least this side, and the last map about this many pixels a side."""


class Deletion(StrEnum):
    """What is left of a deleted unit, by its kind, as a sentence."""

    SHORTCUT = "Only the shortcut of a deleted unit passes: the identity or a projection."  # Veit et al. 2016, 4.1
    SHALLOW = "Only the mean of the two shallow lines of a deleted merge-and-run block passes, in both streams."
    INPUT = "The input of a deleted layer passes unchanged: it has no shortcut, and input and output have one shape."
    ZERO = "The maps of a deleted dense layer are zero."
    LEFT_OUT = "A deleted column is left out of the joins of its block; the shortest stays if all are to go."


@dataclass(frozen=True)
class Unit:
    """A unit that can be deleted.

    `steps` are its steps in the chain. `shapes` are those of its input and output, for a picture of some size.
    `delete` changes a list of steps, so that the unit is deleted.
    """

    name: str
    stage: str
    steps: tuple[int, ...]
    shapes: tuple[Any, Any]
    deletion: Deletion
    delete: Callable[[list[Step]], None]

    @property
    def first(self) -> int:
        """The first step that changes if the unit is deleted."""
        return self.steps[0]

    @property
    def keeps_shape(self) -> bool:
        """Whether its input and output have one shape."""
        return self.deletion is not Deletion.LEFT_OUT and bool(self.shapes[0] == self.shapes[1])


@dataclass(frozen=True)
class Changed:
    """A changed chain, and its first step that is changed; the number of all steps if none is."""

    chain: Chain
    start: int


@dataclass(frozen=True)
class Editable:
    """A replica of a network as a chain, its units, and the names of layers and units that cannot be deleted.

    It is in eval mode, and shares parameters and statistics with the network. A change gives another chain over the
    same modules.
    """

    chain: Chain
    units: tuple[Unit, ...]
    fixed: tuple[str, ...]

    def deleted(self, chosen: Sequence[int]) -> Changed:
        """The network without some units, by their index, in any order."""
        steps = [*self.chain.steps]
        for i in sorted(chosen):
            self.units[i].delete(steps)
        return Changed(Chain(steps), min((self.units[i].first for i in chosen), default=len(steps)))

    def reordered(self, order: Sequence[int]) -> Changed:
        """The network with units at the places of others: place i has unit order[i]."""
        steps = [*self.chain.steps]
        moved = [i for i, j in enumerate(order) if i != j]
        for i in moved:
            for to, origin in zip(self.units[i].steps, self.units[order[i]].steps, strict=True):
                steps[to] = self.chain.steps[origin]
        return Changed(Chain(steps), min((self.units[i].first for i in moved), default=len(steps)))


def editable(network: Classifier) -> Editable:
    """The network as a chain with the units that can be deleted."""
    made = replica(network).eval()
    switches = switched_in_place(made)
    chain, shapes = chain_of(made), map_shapes(network)
    found = {group: _units_of(group, chain, shapes, switches) for group in _groups(chain)}
    units = tuple(unit for units in found.values() for unit in units)
    fixed = tuple(chain.steps[group[0]].name for group, units in found.items() if not units)
    return Editable(chain, units, fixed)


def map_shapes(network: Classifier) -> list[Any]:
    """The shape of the map before every step, and after the last one; of several maps the shapes of all.

    Two pictures pass on the meta device; each is large enough for every network.
    """
    side = max(SIDE, PIXELS * int(network.spec.stride))
    with torch.no_grad():
        states = chain_of(on_meta(network)).states(
            torch.empty(2, network.spec.in_channels, side, side, device="meta"),
        )
    return [shape_of(state.x) for state in states]


def shape_of(value: Any) -> Any:
    """The shape of a map, or the shapes of several."""
    return tuple(value.shape) if isinstance(value, Tensor) else tuple(shape_of(one) for one in value)


def _units_of(group: tuple[int, ...], chain: Chain, shapes: Sequence[Any], switches: dict[str, Switch]) -> list[Unit]:
    """The units in some steps that are deleted together; none if they change the shape and have no shortcut."""
    step, around = chain.steps[group[0]], (shapes[group[0]], shapes[group[-1] + 1])
    own = [switch for name, switch in switches.items() if name.startswith(f"{step.name}.")]

    def unit(deletion: Deletion, delete: Callable[[list[Step]], None], name: str = step.name) -> Unit:
        return Unit(name, step.stage, group, around, deletion, delete)

    if isinstance(step.module, FractalBlock):
        block = step.module
        return [
            unit(Deletion.LEFT_OUT, partial(_within, group[0], partial(_left_out, block, column)), f"{step.name}, {c}")
            for column, c in ((column, f"column {column}") for column in block.columns)
        ]
    if own:
        kind = Deletion.SHALLOW if isinstance(step.module, MergeAndRunBlock) else Deletion.SHORTCUT
        return [unit(kind, partial(_within, group[0], partial(_closed, own)))]
    if isinstance(step.module, DenseLayer):
        return [unit(Deletion.ZERO, partial(_instead, group, partial(_zero_maps, around[1][-1][1])))]
    if around[0] == around[1]:
        return [unit(Deletion.INPUT, partial(_instead, group, lambda state: state))]
    return []


def _groups(chain: Chain) -> list[tuple[int, ...]]:
    """The steps of each unit: a step of a stage, or a convolution with the norm, activation and gate after it."""
    found: list[tuple[int, ...]] = []
    skipped = (nn.MaxPool2d, nn.AvgPool2d, nn.Dropout)
    for i, step in enumerate(chain.steps):
        if not step.unit:
            continue
        if step.stage.startswith("layer"):
            found.append((i,))
        elif isinstance(step.module, nn.Conv2d) and step.name == step.stage:
            end = i + 1
            while chain.steps[end].unit and _follows(chain.steps[end].module, skipped):
                end += 1
            found.append(tuple(range(i, end)))
    return found


def _follows(module: nn.Module, skipped: tuple[type[nn.Module], ...]) -> bool:
    """Whether a direct child belongs to the convolution before it."""
    small = isinstance(module, nn.BatchNorm2d | nn.ReLU) or not list(module.children())
    return small and not isinstance(module, (nn.Conv2d, Classifier, FractalBlock, *skipped))


Run = Callable[[State], State]


def _instead(group: Sequence[int], run: Run, steps: list[Step]) -> None:
    """Let the first step of a group do something else, and the others nothing."""
    for i in group:
        steps[i] = replace(steps[i], run=run if i == group[0] else lambda state: state)


def _zero_maps(channels: int, state: State) -> State:
    first = state.x[0]
    return replace(state, x=[*state.x, first.new_zeros(first.shape[0], channels, *first.shape[2:])])


def _within(i: int, context: Callable[[], Any], steps: list[Step]) -> None:
    """Let a step run within a context."""
    before = steps[i].run

    def run(state: State) -> State:
        with context():
            return before(state)

    steps[i] = replace(steps[i], run=run)


@contextmanager
def _closed(switches: Sequence[Switch]) -> Iterator[None]:
    """Let only the shortcut pass."""
    for switch in switches:
        switch.values = "shortcut"
    try:
        yield
    finally:
        for switch in switches:
            switch.values = "both"


@contextmanager
def _left_out(block: FractalBlock, column: str) -> Iterator[None]:
    """Leave a column out of all joins of a block, as drop-path does, unless it is the only one that is left."""
    before = block.steps
    others = {c: step for c, step in before.items() if c != column}
    block.steps = others or before
    try:
        yield
    finally:
        block.steps = before
