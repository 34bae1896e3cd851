"""Write TOML, which the standard library only reads: scalars, lists and nested tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def dumps(document: Mapping[str, Any], path: tuple[str, ...] = (), *, show_unset: bool = False) -> str:
    """A document as TOML text. As TOML has no null, keys with None are omitted, or shown as comments (`show_unset`)."""
    present = {k: v for k, v in document.items() if v is not None}
    lines = [
        f"# {_key(k)} is not set" if v is None else f"{_key(k)} = {_value(v)}"
        for k, v in document.items()
        if not isinstance(v, Mapping) and (v is not None or show_unset)
    ]
    for name, table in present.items():
        if isinstance(table, Mapping):
            inner = (*path, name)
            lines += [
                "",
                f"[{'.'.join(_key(p) for p in inner)}]",
                dumps(table, inner, show_unset=show_unset).rstrip("\n"),
            ]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
