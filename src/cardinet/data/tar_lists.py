"""Several labels of a sample of a tar shard: a list in its .json, or text with a label in each line."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cardinet.base.documents import DocumentError, parse_json

FIELDS = ("label", "labels", "class", "class_name", "cls", "target", "category")
"""The usual names of a label in a sample's .json, in order."""

LINES = "\n"
"""The separator of labels in a text that has one in each line."""


def label_list(files: Mapping[str, bytes], asked: str | None, separator: str) -> list[str] | None:
    """The labels of a sample, by its label files and what follows the key in their names; None if it states none.

    They are those of `asked`, a file or a field of the .json; without it those of the .cls, else of the .json (a list,
    or a usual field), else of the .txt. A list holds whole numbers or names. In a text `separator` stands between two
    labels. An empty list or text means that the picture has no label.
    """
    if asked is not None and asked in files and not asked.endswith("json"):
        return _parted(files[asked], separator)
    by_end = {name.split(".")[-1]: content for name, content in files.items()}
    if asked is None and "cls" in by_end:
        return _parted(by_end["cls"], separator)
    if "json" in by_end:
        with suppress(DocumentError):
            found = _in_document(parse_json(by_end["json"]), None if asked in files else asked, separator)
            if found is not None or asked is not None:
                return found
    return _parted(by_end["txt"], separator) if asked is None and "txt" in by_end else None


def _in_document(document: Any, field: str | None, separator: str) -> list[str] | None:
    if isinstance(document, dict):
        document = next((document[name] for name in ((field,) if field else FIELDS) if name in document), None)
    elif field is not None:
        return None
    if isinstance(document, str):
        return _parted(document.encode("utf-8", "surrogatepass"), separator)
    values = document if isinstance(document, list) else [document]
    if any(isinstance(value, bool) or not isinstance(value, int | str) for value in values):
        return None
    names = [str(value).strip() for value in values]
    return names if all(names) else None


def _parted(content: bytes, separator: str) -> list[str]:
    text = content.decode("utf-8-sig", "backslashreplace")
    parts = text.splitlines() if separator == LINES else text.split(None if separator == " " else separator)
    return [name for part in parts if (name := part.strip())]
