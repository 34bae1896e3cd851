"""Changes to a description: `resnet50.but(cardinality=32, base_width=4)`. A value may be written as text."""

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
from cardinet.networks.part import EXAMPLES, PARTS, SHORTHANDS, field_names, field_paths, is_part, make_part

AnyPart = TypeVar("AnyPart")
Path = tuple[str, ...]


def with_delta(node: AnyPart, delta: Mapping[str, Any]) -> AnyPart:
    """A copy of a part with changed settings.

    A key is a dotted path, or a short name that only one part has. Whole parts are replaced first, then single fields.
    A part may be written as text (see `from_text`). Raises RequestError with every setting that is unknown, ambiguous,
    given twice or wrong, all at once.
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
            if is_part(value):  # checked below with all other changes: alone it may be invalid
                whole = _with_part(whole, path, value)
    nested: dict[str, Any] = {}
    for path, change in changes.items():
        if not any(other[: len(path)] == path for other in changes if other != path):  # fields within it are set on it
            put(nested, path, change)
    rebuilt = whole
    with found:
        rebuilt = _rebuild(whole, nested)
    found.raise_if_any()
    return rebuilt


def _with_part(node: AnyPart, path: Path, value: Any) -> AnyPart:
    """A copy of a part in which another part stands at a path. Nothing is checked."""
    whole = copy.copy(node)
    object.__setattr__(whole, path[0], _with_part(getattr(node, path[0]), path[1:], value) if path[1:] else value)
    return whole


def from_text(field: str, text: str) -> Any:
    """The value that a text means in a field: a shorthand, or a part such as `SqueezeExcite(reduction=8)`.

    Any other text is returned unchanged. Raises RequestError for an unknown part and for wrong fields of a part.
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
    return make_part(PARTS[name], inside, PARTS[name], f"{name}.")


def _path(node: Any, key: str) -> Path:
    """The path of a field by its short name or dotted path. Raises RequestError for an unknown or ambiguous one."""
    if (
        path := path_meant(key, field_paths(node, key.rpartition(".")[2]), f'"{key}" is a setting of several parts')
    ) is not None:
        return path
    if why := node.WITHOUT.get(key):
        raise RequestError(f"{type(node).__name__} has no {key}: {why}")
    hint = setting_hint(key, dict.fromkeys(field_names(node)))
    raise RequestError(f'A network of this kind has no setting "{key}" ({hint}).{EVERY_SETTING}')


def _checked(node: Any, path: Path, value: Any) -> Any:
    """A value for a field; the word "none" becomes None where the field allows it.

    Raises RequestError where a part is needed and the value is not one.
    """
    owner = functools.reduce(getattr, path[:-1], node)
    field = next(f for f in fields(owner) if f.name == path[-1])
    may_be_none = re.search(
        r"\bNone\b|^SkipValidation\b", str(field.type)
    )  # the description checks skipped fields itself
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
    """A new value, which is a leaf in a tree of changes, and the key under which it was given."""

    key: str
    value: Any


def _rebuild(node: Any, tree: Mapping[str, Any]) -> Any:
    """The part with a tree of changes. Raises RequestError with all faults of it and of the parts within it."""
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
        rebuilt = make_part(functools.partial(replace, node), changed, node) if changed else node
    found.raise_if_any()
    return rebuilt
