"""Parts: the frozen, keyword-only, torch-free pieces from which a network is described.

A part checks the type and range of its fields when it is made, and names its class in `blocks/` as text (`MODULE`).
`document` writes it as plain data and reads it back, so that a description travels in a model file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from cardinet.base.settings import explain

PartClass = TypeVar("PartClass", bound=type)
AnyPart = TypeVar("AnyPart")

_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)

PARTS: dict[str, type] = {}
"""Every kind of part by its name, as it stands in a document."""

SHORTHANDS: dict[str, Mapping[str, Any]] = {}
"""Short words for the values of some fields, by the field's name: order "e" is the full pre-activation unit."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def part(cls: PartClass) -> PartClass:
    """Make a class a part: frozen, keyword-only, typed, known by its name in documents."""
    made = dataclass(frozen=True, kw_only=True, config=_CONFIG)(cls)
    PARTS[cls.__name__] = made
    return made  # type: ignore[return-value]


EXAMPLES = {
    "stem": "Stem()",
    "shortcut": "Shortcut()",
    "carry": "Scaled()",
    "gate": "SqueezeExcite(reduction=16)",
    "merge": "Add()",
    "levels": "Levels()",
    "spatial": "Grouped(cardinality=32)",
    "norm": "LocalResponse()",
}
"""A part for every role that one can have in a network."""


def is_part(value: Any) -> bool:
    """Whether a value is a part itself, and not its class."""
    return is_dataclass(value) and not isinstance(value, type)


def misplaced(parts: Mapping[str, Any], optional: Collection[str] = ()) -> list[str]:
    """A sentence for every role that something fills which is no part, or one for another role.

    A part says its role in `ROLE`; one that does not, as it may come from outside, may stand anywhere.
    """
    found = []
    for role, value in parts.items():
        if value is None and role in optional:
            continue
        if not hasattr(value, "MODULE") or isinstance(value, type):
            value = value.__name__ if isinstance(value, type) else repr(value)
            found.append(f"{role} = {value}: give a part, such as {role}={EXAMPLES[role]}.")
        elif (own := getattr(value, "ROLE", role)) != role:
            kind = type(value).__name__
            found.append(f"{role} = {kind}: it is for {own}; give another part, such as {role}={EXAMPLES[role]}.")
    return found


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


def made(make: Callable[..., Any], values: Mapping[str, Any], kind: Any, where: str = "") -> Any:
    """A part from its values. Raises RequestError with everything that is wrong in them."""
    try:
        return make(**values)
    except ValidationError as error:
        raise explain(error, [f.name for f in fields(kind)], where) from None
