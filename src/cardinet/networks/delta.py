"""A description with a delta: `resnet50.but(cardinality=32, base_width=4)`, values also as text."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from cardinet.base.errors import EVERY_SETTING, Findings, RequestError, nearest
from cardinet.base.part_text import read_call
from cardinet.base.settings import parse_assignments, path_meant, put
from cardinet.base.synonyms import setting_hint
from cardinet.networks.part import EXAMPLES, PARTS, SHORTHANDS, is_part, made, names, owners

AnyPart = TypeVar("AnyPart")
Path = tuple[str, ...]


def with_delta(node: AnyPart, delta: Mapping[str, Any]) -> AnyPart:
    """A part with a delta: whole parts first, then fields by a short name that one part owns, or a dotted path.

    A part may be written as text (see `from_text`). Raises RequestError with every unknown, ambiguous, doubled or
    wrong setting at once.
    """
    found = Findings()
    values = {}
    for key, value in delta.items():
        with found:
            values[key] = from_text(key.rpartition(".")[2], value) if isinstance(value, str) else value
    whole = node
    changes: dict[Path, _Change] = {}
    for key, value in sorted(values.items(), key=lambda item: (not is_part(item[1]), item[0].count("."))):
        with found:
            path = _path(whole, key)
            if path in changes:
                raise RequestError(f'"{changes[path].key}" and "{key}" are one setting; give one of them.')
            changes[path] = _Change(key, _checked(whole, path, value))
            if is_part(value):  # judged below with all other changes: alone it may have no meaning
                whole = _with_part(whole, path, value)
    nested: dict[str, Any] = {}
    for path, change in changes.items():
        if not any(other[: len(path)] == path for other in changes if other != path):  # those within it are made of it
            put(nested, path, change)
    rebuilt = whole
    with found:
        rebuilt = _rebuild(whole, nested)
    found.raise_if_any()
    return rebuilt


def _with_part(node: AnyPart, path: Path, value: Any) -> AnyPart:
    """A copy of a part with another one at a path, unchecked."""
    whole = copy.copy(node)
    object.__setattr__(whole, path[0], _with_part(getattr(node, path[0]), path[1:], value) if path[1:] else value)
    return whole


def from_text(field: str, text: str) -> Any:
    """The value that a text stands for in a field: a shorthand, or a part as `SqueezeExcite(reduction=8)`.

    Any other text is returned as it is. Raises RequestError for an unknown part and for wrong fields of one.
    """
    words = SHORTHANDS.get(field, {})
    call = read_call(text)
    named = call is not None and (call[0] in PARTS or call[1] is not None)
    if text in words or text.lower() == "none" or call is None or not (named or field in EXAMPLES):
        return words.get(text, text)
    name, arguments = call[0], call[1] or []
    if name not in PARTS:
        among = [other for other, kind in PARTS.items() if field not in EXAMPLES or field == kind.ROLE]
        example = f", such as {field}={EXAMPLES[field]}" if field in EXAMPLES else ""
        raise RequestError(
            f'{field} = {text}: there is no part "{name}" ({nearest(name, among)}){example}.{EVERY_SETTING}'
        )
    if any("=" not in word for word in arguments):
        some = next((f.name for f in fields(PARTS[name])), "name")
        raise RequestError(f"{field} = {text}: name every value, and put lists in brackets, as in {name}({some}=...).")
    parsed = parse_assignments(arguments)
    inside = {key: from_text(key, value) if isinstance(value, str) else value for key, value in parsed.items()}
    return made(PARTS[name], inside, PARTS[name], f"{name}.")


def _path(node: Any, key: str) -> Path:
    """The path of a field by its short name or dotted path. Raises RequestError for an unknown or ambiguous one."""
    if (path := path_meant(key, owners(node, key.rpartition(".")[2]), f'"{key}" stands in several parts')) is not None:
        return path
    if why := node.WITHOUT.get(key):
        raise RequestError(f"{type(node).__name__} has no {key}: {why}")
    hint = setting_hint(key, dict.fromkeys(names(node)))
    raise RequestError(f'A network of this kind has no setting "{key}" ({hint}).{EVERY_SETTING}')


def _checked(node: Any, path: Path, value: Any) -> Any:
    """A value for a field: None for the word where the field may be empty. Raises RequestError for a part's place."""
    owner = functools.reduce(getattr, path[:-1], node)
    field = next(f for f in fields(owner) if f.name == path[-1])
    may_be_none = re.search(r"\bNone\b|^SkipValidation\b", str(field.type))  # what is skipped, the description judges
    if isinstance(value, str) and value.lower() == "none" and may_be_none:
        return None
    if is_part(getattr(owner, field.name)) and not is_part(value) and value is not None:
        words = ", ".join(map(str, SHORTHANDS.get(field.name, ())))
        example = EXAMPLES.get(field.name, f"{type(getattr(owner, field.name)).__name__}()")
        which = f"one of {words}, or a part" if words else "a part"
        raise RequestError(f"{field.name} = {value!r}: give {which}, such as {field.name}={example}.")
    return value


@dataclass(frozen=True)
class _Change:
    """A new value in a tree of changes, told apart from a branch of the tree, and the key that it was given by."""

    key: str
    value: Any


def _rebuild(node: Any, tree: Mapping[str, Any]) -> Any:
    """The part with a tree of changes. Raises RequestError with what is wrong in it and in the parts within it."""
    changed = {}
    found = Findings()
    for name, change in tree.items():
        if isinstance(change, _Change):
            changed[name] = change.value
        elif is_dataclass(getattr(node, name)):
            with found:
                changed[name] = _rebuild(getattr(node, name), change)
    rebuilt = node
    with found:
        rebuilt = made(functools.partial(replace, node), changed, node) if changed else node
    found.raise_if_any()
    return rebuilt
