"""What is inside a network, by its name and as the kind that it is: torch knows it as `Tensor | Module` alone."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

Kind = TypeVar("Kind", bound=nn.Module)


def inside(network: nn.Module, name: str, kind: type[Kind]) -> Kind:
    """The module of this name, as `layer1.0.conv1`; fails where it is of another kind."""
    module = network.get_submodule(name)
    assert isinstance(module, kind), f"{name} is {type(module).__name__}, not {kind.__name__}"
    return module
