"""A network as a chain of steps, so that a pass can be stopped before any of its units and continued from there.

The steps run one after another and give exactly the network's logits. What is changed in a unit changes only the steps
from it on, so an experiment on every unit computes what lies before only once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.blocks.classifier import Classifier
from cardinet.blocks.densenet import DenseBlock
from cardinet.blocks.levels import LevelStage


@dataclass(frozen=True)
class State:
    """What a pass knows between two steps: the map `x` (or several), and earlier maps that later steps read."""

    x: Any
    kept: dict[str, Any] = field(default_factory=dict)

    def fresh(self) -> State:
        """The same state in memory of its own: a later step may overwrite its input."""
        return replace(self, x=_cloned(self.x))


def _cloned(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    return type(value)(_cloned(one) for one in value)


@dataclass(frozen=True)
class Step:
    """One step: its name in the network, its stage (the direct child that it is in), its module, and what it does."""

    name: str
    stage: str
    module: nn.Module
    run: Callable[[State], State]


@dataclass
class Chain:
    """The steps of a network, in order. Its modules are those of the network itself."""

    steps: list[Step]

    def run(self, state: State, start: int = 0, stop: int | None = None) -> State:
        """The state after the steps from `start` up to, not including, `stop`."""
        for step in self.steps[start:stop]:
            state = step.run(state)
        return state

    def states(self, x: Tensor) -> list[State]:
        """The state before every step, and after the last one, whose `x` are the logits."""
        found = [State(x)]
        for step in self.steps:
            found.append(step.run(found[-1].fresh()))
        return found

    def logits(self, state: State, start: int) -> Tensor:
        """The logits of a pass that continues from a state before the step `start`."""
        found: Tensor = self.run(state.fresh(), start).x
        return found


def chain_of(network: Classifier) -> Chain:
    """The steps of a network: the units of its stages and the other direct children of its body, then its head."""
    steps: list[Step] = []
    read_again = set(network.joins.values())
    for name in network.body_names:
        child = network.get_submodule(name)
        if name in network.joins:
            steps.append(_step(name, name, child, _joined(child, network.joins[name])))
        else:
            steps += _steps_of(name, child)
        if name in read_again:
            steps.append(_step(name, name, child, _keep(name)))
    steps.append(_step("head", "head", network, lambda state: State(network.forward_head(state.x))))
    return Chain(steps)


def _steps_of(name: str, child: nn.Module) -> Iterator[Step]:
    """The steps of a direct child of the body."""
    if isinstance(child, LevelStage):
        yield _step(f"{name}.entry", name, child, _entered(child, name))
        for inner, unit in _units(child.units):
            yield _step(f"{name}.units.{inner}", name, unit, _through(unit))
        if child.level is not None:
            yield _step(f"{name}.level", name, child.level, _levelled(child.level, name))
    elif isinstance(child, DenseBlock):
        yield _step(f"{name}.entry", name, child, lambda state: replace(state, x=[state.x]))
        for inner, layer in child.named_children():
            yield _step(f"{name}.{inner}", name, layer, _dense(layer))
        yield _step(f"{name}.end", name, child, lambda state: replace(state, x=torch.cat(state.x, 1)))
    elif type(child).forward is nn.Sequential.forward:
        for inner, unit in _units(child):
            yield _step(f"{name}.{inner}", name, unit, _through(unit))
    else:
        yield _step(name, name, child, _through(child))


def _units(stage: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    return stage.named_children()


def _step(name: str, stage: str, module: nn.Module, run: Callable[[State], State]) -> Step:
    return Step(name, stage, module, run)


def _through(module: nn.Module) -> Callable[[State], State]:
    return lambda state: replace(state, x=module(state.x))


def _dense(layer: nn.Module) -> Callable[[State], State]:
    return lambda state: replace(state, x=[*state.x, layer(*state.x)])


def _keep(name: str) -> Callable[[State], State]:
    return lambda state: replace(state, kept={**state.kept, name: state.x})


def _joined(child: nn.Module, other: str) -> Callable[[State], State]:
    return lambda state: replace(state, x=child(state.x, state.kept[other]))


def _entered(stage: LevelStage, name: str) -> Callable[[State], State]:
    def run(state: State) -> State:
        x = state.x if stage.maxpool is None else stage.maxpool(state.x)
        return State(x, {**state.kept, f"{name}.entry": x})

    return run


def _levelled(level: nn.Module, name: str) -> Callable[[State], State]:
    return lambda state: replace(state, x=level(state.x, state.kept[f"{name}.entry"]))
