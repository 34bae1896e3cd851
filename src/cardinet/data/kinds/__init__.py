"""The kinds of sources: each is one file and one row in this table."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cardinet.base.errors import RequestError, nearest
from cardinet.data.findings import Finding
from cardinet.data.source_listing import Listing


@dataclass(frozen=True)
class Row:
    """A kind: the function that lists it, as text "module:function", and whether its name is followed by a path.

    It is text because a kind imports what it alone needs.
    """

    place: str
    path: bool = False


KINDS = {
    "digits": Row("digits:list_digits"),
    "imagenet": Row("imagenet:list_imagenet", path=True),
    "tiny-imagenet": Row("tiny_imagenet:list_tiny_imagenet", path=True),
    "parquet": Row("parquet:list_parquet", path=True),
    "cifar10": Row("named_sets:list_named"),
    "cifar100": Row("named_sets:list_named"),
    "mnist": Row("named_sets:list_named"),
    "fashion-mnist": Row("named_sets:list_named"),
    "svhn": Row("named_sets:list_named"),
    "webdataset": Row("streams:refuse", path=True),
    "hf": Row("streams:refuse", path=True),
}
"""By the word before the colon, or the whole text."""

WITH_PATH = tuple(kind for kind, row in KINDS.items() if row.path)


def list_source(text: str) -> Listing:
    """The listing of a source, without decoding a picture.

    Raises RequestError for an unknown kind (with the nearest ones) and for a path that does not exist, WorkError if the
    source cannot be read at all. Faults inside the source stand in `Listing.problems`.
    """
    word, colon, rest = text.partition(":")
    if word in KINDS and bool(colon) == (word in WITH_PATH):
        if colon and not rest:
            raise RequestError(f'The source "{text}" names no path; write {word}:PATH.')
        listing = _function(KINDS[word].place)(rest if colon else word)
        return listing if colon or not Path(word).is_dir() else _beside_a_folder(listing, word)
    if word in WITH_PATH and not Path(text).exists():
        raise RequestError(f'The source "{text}" needs a path; write {word}:PATH.')
    if Path(text).expanduser().exists():
        return _function("class_folders:list_folder")(text)
    known = [f"{kind}:PATH" if kind in WITH_PATH else kind for kind in KINDS]
    if colon:
        raise RequestError(f'There is no kind of source "{word}" ({nearest(word, KINDS)}).')
    raise RequestError(
        f'The source "{text}" is neither a folder that exists nor a named source ({_hint(text, known)}).'
    )


def _beside_a_folder(listing: Listing, word: str) -> Listing:
    """The listing of a built-in source, with a note if a folder here has the same name."""
    detail = f"the built-in source is used, not the folder {word}/ here; to use the folder, write ./{word}"
    return replace(listing, problems=(*listing.problems, Finding(word, "", "same-name", detail, bad=False)))


def absolute(text: str) -> str:
    """The source with an absolute path, if it has a path, so that it means the same in any folder."""
    word, colon, rest = text.partition(":")
    if word in KINDS and not (colon and rest):
        return text
    prefix, path = (f"{word}:", rest) if colon and word in WITH_PATH else ("", text)
    return prefix + os.path.abspath(os.path.expanduser(path))


def _hint(text: str, known: list[str]) -> str:
    looks_like_path = "/" in text or text.startswith((".", "~"))
    return "known: " + ", ".join(known) if looks_like_path else nearest(text, known)


def _function(place: str) -> Callable[[str], Listing]:
    module, name = place.split(":")
    function: Callable[[str], Listing] = getattr(importlib.import_module(f"cardinet.data.kinds.{module}"), name)
    return function
