"""Binding: from a part to its module. Only this file resolves the text of a `MODULE`."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

from cardinet.networks.part import Part, is_part
from cardinet.networks.spec import NetworkSpec


def resolve(place: str) -> Callable[..., Any]:
    """The class that a `MODULE` names: "gates:SqueezeExcite" is a class in `cardinet.blocks.gates`.

    Any other text is a full module path ("lab.gates:Mine", "__main__:Mine"), so that a part can be defined outside of
    Cardinet. Raises ImportError for an unknown module, and AttributeError for an unknown class.
    """
    module, _, name = place.partition(":")
    ours = f"cardinet.blocks.{module}"
    inside = "." not in module and importlib.util.find_spec(ours) is not None
    found: Callable[..., Any] = getattr(importlib.import_module(ours if inside else module), name)
    return found


def bind(part: Part) -> Callable[..., Any]:
    """The constructor of a part's module, with the part's fields as arguments; parts within it are bound too."""
    return functools.partial(resolve(part.MODULE), **_bound_fields(part))


def make(spec: NetworkSpec) -> Any:
    """The module of a whole network. It takes one object with the description's fields, the parts as constructors."""
    return resolve(spec.MODULE)(SimpleNamespace(**_bound_fields(spec)))


def _bound_fields(part: Part) -> dict[str, Any]:
    return {f.name: _bound(getattr(part, f.name)) for f in fields(part)}


def _bound(value: Any) -> Any:
    """The value of a field. A part, also within a tuple, becomes the constructor of its module."""
    if isinstance(value, tuple):
        return tuple(map(_bound, value))
    return bind(value) if is_part(value) and value.MODULE else value
