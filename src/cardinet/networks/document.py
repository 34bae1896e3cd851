"""Descriptions as plain data, as model files hold them: `{"part": "Transform", "kernels": [1, 3, 1], ...}`."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.networks.part import is_part, make_part
from cardinet.networks.registry import known_parts


def to_document(node: Any) -> Any:
    """A part as plain data: `{"part": "Transform", "kernels": [1, 3, 1], ...}`."""
    if is_part(node):
        return {"part": type(node).__name__, **{f.name: to_document(getattr(node, f.name)) for f in fields(node)}}
    return [to_document(v) for v in node] if isinstance(node, tuple) else node


def from_document(document: Any) -> Any:
    """The part that a document describes. Raises RequestError with every unknown part and wrong field at once."""
    if isinstance(document, list):
        return tuple(from_document(v) for v in document)
    if not isinstance(document, dict):
        return document
    name = document.get("part")
    known, found = known_parts(), Findings()
    former = known[name].FORMER if isinstance(name, str) and name in known else ()
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key != "part" and key not in former:
            with found:
                values[key] = from_document(value)
    node = None
    with found:
        if not isinstance(name, str) or name not in known:
            raise RequestError(f'This version has no network part "{name}" ({nearest(str(name), known)}).')
        node = None if found else make_part(known[name], values, known[name], f"{name}.")
    found.raise_if_any()
    return node
