"""Parts: the frozen, keyword-only, torch-free pieces from which a network is described.

A part checks the type and range of its fields when it is made, names its class in `blocks/` as text
(`MODULE`), and is written to and read from a plain document, so that a description travels in a model file.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.base.settings import explain, put

PartClass = TypeVar("PartClass", bound=type)
AnyPart = TypeVar("AnyPart")

_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

PARTS: dict[str, type] = {}
"""Every kind of part by its name, as it stands in a document."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def part(cls: PartClass) -> PartClass:
    """Make a class a part: frozen, keyword-only, typed, known by its name in documents."""
    made = dataclass(frozen=True, kw_only=True, config=_CONFIG)(cls)
    PARTS[cls.__name__] = made
    return made  # type: ignore[return-value]


def resolve(place: str) -> Callable[..., Any]:
    """What a part's `MODULE` names: "gates:SqueezeExcite" is that class in `cardinet.blocks.gates`.

    A module that is not in `cardinet.blocks` is a full module path ("lab.gates:Mine", "__main__:Mine"), so that
    a part can live outside of Cardinet.
    """
    module, _, name = place.partition(":")
    ours = f"cardinet.blocks.{module}"
    inside = "." not in module and importlib.util.find_spec(ours) is not None
    found: Callable[..., Any] = getattr(importlib.import_module(ours if inside else module), name)
    return found


def bind(part_: Any) -> Callable[..., Any]:
    """The constructor of a part's module, with the part's own fields already bound; parts within it are bound too."""
    values = {f.name: getattr(part_, f.name) for f in fields(part_)}
    bound = {name: bind(value) if hasattr(value, "MODULE") else value for name, value in values.items()}
    return functools.partial(resolve(part_.MODULE), **bound)


def owners(node: Any, name: str, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of the fields called `name` in a part and in the parts within it."""
    for f in fields(node):
        value = getattr(node, f.name)
        if f.name == name:
            yield (*path, name)
        if is_dataclass(value):
            yield from owners(value, name, (*path, f.name))


def names(node: Any) -> Iterator[str]:
    """The names of all fields of a part and of the parts within it."""
    for f in fields(node):
        yield f.name
        value = getattr(node, f.name)
        if is_dataclass(value):
            yield from names(value)


def with_delta(node: AnyPart, delta: Mapping[str, Any]) -> AnyPart:
    """A part with a delta: whole parts first, then fields by a short name that one part owns, or a dotted path.

    Raises RequestError with every unknown, ambiguous or wrong setting at once.
    """
    own = {f.name for f in fields(node)}  # type: ignore[arg-type]
    tree: dict[str, Any] = {k: v for k, v in delta.items() if k in own and (is_dataclass(v) or v is None)}
    found = Findings()
    whole = node
    with found:
        whole = _rebuild(node, tree)
    changes: dict[tuple[str, ...], Any] = {}
    wrong = []
    for key, value in delta.items():
        if key in tree:
            continue
        place = tuple(key.split("."))
        paths = [p for p in owners(whole, place[-1]) if p[-len(place) :] == place]
        paths = [p for p in paths if len(p) == 1] or paths
        if len(paths) == 1:
            changes[paths[0]] = value
        elif paths:
            wrong.append(f'"{key}" stands in several parts; name one: {", ".join(".".join(p) for p in paths)}.')
        else:
            wrong.append(
                f'A network of this kind has no setting "{key}" ({nearest(key, dict.fromkeys(names(whole)))}).'
            )
    nested: dict[str, Any] = {}
    for path, value in changes.items():
        put(nested, path, _Value(value))
    rebuilt = whole
    with found:
        rebuilt = _rebuild(whole, nested)
    with found:
        if wrong:
            raise RequestError(*wrong)
    found.raise_if_any()
    return rebuilt


class _Value:
    """A new value in a tree of changes, told apart from a branch of the tree."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _rebuild(node: Any, tree: Mapping[str, Any]) -> Any:
    """The part with a tree of changes. Raises RequestError with what is wrong in it and in the parts within it."""
    changed = {}
    found = Findings()
    for name, change in tree.items():
        if isinstance(change, _Value):
            changed[name] = change.value
        elif isinstance(change, dict):
            with found:
                changed[name] = _rebuild(getattr(node, name), change)
        else:
            changed[name] = change
    rebuilt = node
    with found:
        rebuilt = _made(functools.partial(replace, node), changed, node) if changed else node
    found.raise_if_any()
    return rebuilt


def _made(make: Callable[..., Any], values: Mapping[str, Any], kind: Any, where: str = "") -> Any:
    """A part from its values. Raises RequestError with everything that is wrong in them."""
    try:
        return make(**values)
    except ValidationError as error:
        raise explain(error, [f.name for f in fields(kind)], where) from None


def to_document(node: Any) -> Any:
    """A part as plain data: `{"part": "Transform", "kernels": [1, 3, 1], ...}`."""
    if is_dataclass(node) and not isinstance(node, type):
        return {"part": type(node).__name__, **{f.name: to_document(getattr(node, f.name)) for f in fields(node)}}
    return [to_document(v) for v in node] if isinstance(node, tuple) else node


def from_document(document: Any) -> Any:
    """The part that a document describes. Raises RequestError with every unknown part and wrong field at once."""
    importlib.import_module("cardinet.networks.registry")  # which makes every part known
    if isinstance(document, list):
        return tuple(from_document(v) for v in document)
    if not isinstance(document, dict):
        return document
    name = document.get("part")
    found = Findings()
    values = {}
    for key, value in document.items():
        if key != "part":
            with found:
                values[key] = from_document(value)
    made = None
    with found:
        if name not in PARTS:
            raise RequestError(f'There is no part "{name}" of a network in this version ({nearest(str(name), PARTS)}).')
        made = _made(PARTS[name], values, PARTS[name], f"{name}.") if len(values) == len(document) - 1 else None
    found.raise_if_any()
    return made
