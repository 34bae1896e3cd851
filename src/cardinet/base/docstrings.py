"""Docstrings of classes and their fields, read from the source files on demand."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


def field_sentences(kind: type) -> dict[str, str]:
    """The literal string below each field of a pydantic class, by the field's name. Base classes fill the gaps."""
    found: dict[str, str] = {}
    for cls in reversed(kind.__mro__):
        found |= _file_sentences(cls.__module__).get(cls.__name__, {})
    fields: Mapping[str, object] = getattr(kind, "__pydantic_fields__", {})
    return {name: found[name] for name in fields if name in found}


def first_paragraph(text: str | None) -> str:
    """The beginning of a docstring, up to its first empty line, as one line."""
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())


@functools.cache
def _file_sentences(module: str) -> Mapping[str, Mapping[str, str]]:
    """By class and by field, the literal strings below the fields of all classes in a module's file."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None or not path.endswith(".py"):
        return {}
    return {node.name: _sentences_below(node) for node in _classes(ast.parse(Path(path).read_bytes()).body)}


def _classes(body: Iterable[ast.stmt]) -> Iterator[ast.ClassDef]:
    """The classes of a module, in functions and in other classes too."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield from _classes(node.body)


def _sentences_below(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for field, below in zip(node.body, node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[field.target.id] = " ".join(text.split())
    return found
