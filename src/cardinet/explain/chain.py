"""A network as a chain of steps, so that a pass can be stopped before any of its units and continued from there.

The steps run one after another and give exactly the network's logits. What is changed in a unit changes only the steps
from it on, so an experiment on every unit computes what lies before only once.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.blocks.classifier import Classifier
from cardinet.blocks.densenet import DenseBlock
from cardinet.blocks.levels import LevelStage
from cardinet.blocks.recomputation import Units


@dataclass(frozen=True)
class State:
    """What a pass knows between two steps: the map `x` (or several), and earlier maps that later steps read."""

    x: Any
    kept: dict[str, Any] = field(default_factory=dict)

    def fresh(self) -> State:
        """The same state in memory of its own: a later step may overwrite its input."""
        return replace(self, x=_cloned(self.x))


def _cloned(value: Any) -> Any:
    """A copy of a map, or of the maps of several streams. A list of maps is only read (`DenseBlock`): it stays."""
    if isinstance(value, Tensor):
        return value.clone()
    return value if isinstance(value, list) else type(value)(_cloned(one) for one in value)


@dataclass(frozen=True)
class Step:
    """One step: its name in the network, its stage (the direct child that it is in), its module, and what it does.

    A step that is no `unit` keeps, splits or joins maps, or is the head.
    """

    name: str
    stage: str
    module: nn.Module
    run: Callable[[State], State]
    unit: bool = True


@dataclass
class Chain:
    """The steps of a network, in order. Its modules are those of the network itself."""

    steps: list[Step]

    def run(self, state: State, start: int = 0, stop: int | None = None) -> State:
        """The state after the steps from `start` up to, not including, `stop`."""
        for step in self.steps[start:stop]:
            state = step.run(state)
        return state

    def before(self, x: Tensor, wanted: Container[int]) -> Iterator[tuple[int, State]]:
        """The number of each wanted step with the state before it, in turn; the number after the last has the logits.

        Only one state is in memory. It is valid until the next one is asked for.
        """
        state = State(x).fresh()
        for i, step in enumerate(self.steps):
            if i in wanted:
                yield i, state
            state = step.run(state)
        if len(self.steps) in wanted:
            yield len(self.steps), state

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
            steps.append(Step(name, name, child, _joined(child, network.joins[name]), unit=False))
        else:
            steps += _steps_of(name, child)
        if name in read_again:
            steps.append(Step(f"{name}, kept", name, nn.Identity(), _keep(name), unit=False))
    head = nn.ModuleList(network.get_submodule(name) for name in network.head_names)
    steps.append(Step("head", "head", head, lambda state: State(network.forward_head(state.x)), unit=False))
    return Chain(steps)


def _steps_of(name: str, child: nn.Module) -> Iterator[Step]:
    """The steps of a direct child of the body."""
    if isinstance(child, LevelStage):
        yield Step(f"{name}.entry", name, nn.Identity(), _entered(child, name), unit=False)
        for inner, unit in child.units.named_children():
            yield Step(f"{name}.units.{inner}", name, unit, _through(unit))
        if child.level is not None:
            yield Step(f"{name}.level", name, child.level, _levelled(child.level, name), unit=False)
    elif isinstance(child, DenseBlock):
        yield Step(f"{name}.entry", name, nn.Identity(), lambda state: replace(state, x=[state.x]), unit=False)
        for inner, layer in child.named_children():
            yield Step(f"{name}.{inner}", name, layer, _dense(layer))
        yield Step(
            f"{name}.end", name, nn.Identity(), lambda state: replace(state, x=torch.cat(state.x, 1)), unit=False
        )
    elif type(child).forward in (nn.Sequential.forward, Units.forward):
        for inner, unit in child.named_children():
            yield Step(f"{name}.{inner}", name, unit, _through(unit))
    else:
        yield Step(name, name, child, _through(child))


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
