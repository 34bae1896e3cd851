"""Parts: the frozen, keyword-only, torch-free pieces from which a network is described.

A part checks the type and range of its fields when it is made, names its class in `blocks/` as text
(`MODULE`), and is written to and read from a plain document, so that a description travels in a model file.
"""

from __future__ import annotations

import copy
import functools
import importlib
import importlib.util
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.base.settings import explain, parse_assignments, put

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


def misplaced(parts: Mapping[str, Any], optional: Collection[str] = ()) -> list[str]:
    """A sentence for every role that something fills which is no part, or one for another role.

    A part says its role in `ROLE`; one that does not, as it may come from outside, may stand anywhere.
    """
    found = []
    for role, value in parts.items():
        if value is None and role in optional:
            continue
        if not hasattr(value, "MODULE"):
            found.append(f"{role} = {value!r}: give a part, such as {role}={EXAMPLES[role]}.")
        elif (own := getattr(value, "ROLE", role)) != role:
            kind = type(value).__name__
            found.append(f"{role} = {kind}: it is for {own}; give another part, such as {role}={EXAMPLES[role]}.")
    return found


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


def from_text(field: str, text: str) -> Any:
    """The value that a text stands for in a field: a shorthand, or a part as `SqueezeExcite(reduction=8)`.

    Any other text is returned as it is. Raises RequestError for an unknown part and for wrong fields of one.
    """
    words = SHORTHANDS.get(field, {})
    written = _WRITTEN.fullmatch(text)
    if text in words or not written or not (written[1] in PARTS or written[2] is not None):
        return words.get(text, text)
    if written[1] not in PARTS:
        raise RequestError(f'{field} = {text}: there is no part "{written[1]}" ({nearest(written[1], PARTS)}).')
    arguments = parse_assignments(_arguments(written[2] or ""))
    kind = PARTS[written[1]]
    values = {k: from_text(k, v) if isinstance(v, str) else v for k, v in arguments.items()}
    return _made(kind, values, kind, f"{written[1]}.")


_WRITTEN = re.compile(r"([A-Z]\w*)(?:\((.*)\))?")


def _arguments(text: str) -> list[str]:
    """The words between the commas that stand in no list and no part."""
    words, depth = [""], 0
    for sign in text:
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and not depth:
            words.append("")
        else:
            words[-1] += sign
    return [word for word in words if word.strip()]


def with_delta(node: AnyPart, delta: Mapping[str, Any]) -> AnyPart:
    """A part with a delta: whole parts first, then fields by a short name that one part owns, or a dotted path.

    A part may be written as text (see `from_text`). Raises RequestError with every unknown, ambiguous or wrong
    setting at once.
    """
    found = Findings()
    delta, given = {}, delta
    for key, value in given.items():
        with found:
            delta[key] = from_text(key.rpartition(".")[2], value) if isinstance(value, str) else value
    own = {f.name for f in fields(node)}  # type: ignore[arg-type]
    tree: dict[str, Any] = {k: v for k, v in delta.items() if k in own and (is_dataclass(v) or v is None)}
    whole = copy.copy(node)
    for name, value in tree.items():
        object.__setattr__(whole, name, value)  # judged below with all other changes: alone it may have no meaning
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
    within = {path[0] for path in changes}
    nested: dict[str, Any] = {name: _Value(value) for name, value in tree.items() if name not in within}
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
