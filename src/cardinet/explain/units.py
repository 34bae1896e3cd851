"""The units of a network that can be deleted, and what deleting one means for its kind.

| kind | deleted |
|---|---|
| residual unit, fused block, Inception-ResNet block | only its shortcut passes (Veit et al. 2016, Section 4.1) |
| merge-and-run block | only the averaged shallow lines pass, in both streams |
| highway layer, convolution of a plain network, unit without a shortcut | its input passes |
| dense layer | its maps are zero |
| column of a fractal block | the joins leave it out, as drop-path does |

What changes the shape and has no shortcut cannot be deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.blocks.classifier import Classifier
from cardinet.blocks.densenet import DenseLayer
from cardinet.blocks.fractalnet import FractalBlock
from cardinet.build.meta import on_meta
from cardinet.explain.chain import Chain, State, chain_of
from cardinet.explain.switches import Switch, replica, switched_in_place

SIDE, PIXELS = 64, 6
"""The picture by which shapes are found has at least this side, and the last map about this many pixels a side."""


@dataclass(frozen=True)
class Unit:
    """A unit that can be deleted.

    `steps` are its steps in the chain. `keeps_shape` says that its input and output have one shape.
    """

    name: str
    stage: str
    steps: tuple[int, ...]
    keeps_shape: bool
    delete: Callable[[], None]

    @property
    def first(self) -> int:
        """The first step that changes if the unit is deleted."""
        return self.steps[0]


@dataclass(frozen=True)
class Editable:
    """A replica of a network that may be changed: its chain, its units, and the names of units that cannot go.

    It shares the parameters of the network and has BN statistics of its own.
    """

    network: Classifier
    chain: Chain
    units: tuple[Unit, ...]
    fixed: tuple[str, ...]

    def delete(self, chosen: Sequence[int]) -> int:
        """Delete units by their index. Returns the first step that changes; that after the last one for none."""
        for i in chosen:
            self.units[i].delete()
        return min((self.units[i].first for i in chosen), default=len(self.chain.steps))

    def reorder(self, order: Sequence[int]) -> int:
        """Put units at the places of others: place i gets unit order[i]. Returns the first step that changes."""
        steps = self.chain.steps
        moved = [i for i, j in enumerate(order) if i != j]
        place = {i: [steps[s] for s in self.units[i].steps] for i in range(len(self.units))}
        for i in moved:
            for s, step in zip(self.units[i].steps, place[order[i]], strict=True):
                steps[s] = step
        return min((self.units[i].first for i in moved), default=len(steps))


def editable(network: Classifier) -> Editable:
    """A replica of a network with the units that can be deleted."""
    made = replica(network, own_buffers=True).eval()
    switches = switched_in_place(made)
    chain = chain_of(made)
    shapes = _shapes(made)
    found = {group: _units_of(group, chain, shapes, switches) for group in _groups(chain)}
    units = tuple(unit for units in found.values() for unit in units)
    fixed = tuple(chain.steps[group[0]].name for group, units in found.items() if not units)
    return Editable(made, chain, units, fixed)


def _units_of(group: tuple[int, ...], chain: Chain, shapes: Sequence[Any], switches: dict[str, Switch]) -> list[Unit]:
    """The units in some steps that are deleted together; none if they change the shape and have no shortcut."""
    step, keeps = chain.steps[group[0]], bool(shapes[group[0]] == shapes[group[-1] + 1])
    own = [switch for name, switch in switches.items() if name.startswith(f"{step.name}.")]
    if isinstance(step.module, FractalBlock):
        return [
            Unit(f"{step.name}, column {c}", step.stage, group, False, partial(_drop_column, step.module, c))
            for c in step.module.columns
        ]
    if own:
        delete: Callable[[], None] = partial(_close, own)
    elif isinstance(step.module, DenseLayer):
        delete = partial(_replace, chain, group, _without_maps(step.module))
    elif keeps:
        delete = partial(_replace, chain, group, lambda state: state)
    else:
        return []
    return [Unit(step.name, step.stage, group, keeps, delete)]


def _close(switches: Sequence[Switch]) -> None:
    """Let only the shortcut pass."""
    for switch in switches:
        switch.values = "shortcut"


def _groups(chain: Chain) -> list[tuple[int, ...]]:
    """The steps of each unit: a step of a stage, or a convolution with the norm, activation and gate after it."""
    found: list[tuple[int, ...]] = []
    skipped = (nn.MaxPool2d, nn.AvgPool2d, nn.Dropout)
    for i, step in enumerate(chain.steps):
        inside = step.stage.startswith("layer") and not step.name.endswith((".entry", ".end", ".level"))
        if inside or isinstance(step.module, FractalBlock):
            found.append((i,))
        elif isinstance(step.module, nn.Conv2d) and step.name == step.stage:
            end = i + 1
            while end < len(chain.steps) and _follows(chain.steps[end].module, skipped):
                end += 1
            found.append(tuple(range(i, end)))
    return found


def _follows(module: nn.Module, skipped: tuple[type[nn.Module], ...]) -> bool:
    """Whether a direct child belongs to the convolution before it."""
    small = isinstance(module, nn.BatchNorm2d | nn.ReLU) or not list(module.children())
    return small and not isinstance(module, (nn.Conv2d, Classifier, FractalBlock, *skipped))


def _shapes(network: Classifier) -> list[Any]:
    """The shape of the map before every step, and after the last one; of several maps the shapes of all."""
    empty = on_meta(network)
    chain = chain_of(empty)
    side = max(SIDE, PIXELS * int(network.spec.stride))
    with torch.no_grad():
        states = chain.states(torch.empty(2, network.spec.in_channels, side, side, device="meta"))
    return [_shape(state.x) for state in states]


def _shape(value: Any) -> Any:
    return tuple(value.shape) if isinstance(value, Tensor) else tuple(_shape(one) for one in value)


def _replace(chain: Chain, group: Sequence[int], run: Callable[[State], State]) -> None:
    """Let the first step of a group do something else, and the others nothing."""
    for i in group:
        chain.steps[i] = replace(chain.steps[i], run=run if i == group[0] else lambda state: state)


def _without_maps(layer: nn.Module) -> Callable[[State], State]:
    return lambda state: replace(state, x=[*state.x, torch.zeros_like(layer(*state.x))])


def _drop_column(block: FractalBlock, column: str) -> None:
    """Leave a column out of all joins of a block. Raises KeyError if it is out already."""
    if len(block.columns) > 1:
        del block.columns[column]
        del block.steps[column]
