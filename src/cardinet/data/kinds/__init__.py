"""The kinds of sources: each is one file and one row in this table."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.data.data_settings import DataSettings
from cardinet.data.findings import Finding
from cardinet.data.kinds.shard_places import is_address
from cardinet.data.source_listing import Listing


@dataclass(frozen=True)
class Row:
    """A kind: the function that lists it, as text "module:function", and what follows its name and a colon.

    It is text because a kind imports what it alone needs. `words` say what the pictures lie in. Without `follows` the
    name is the whole source. `reads` names the settings of the data that the function takes as keyword arguments.
    """

    place: str
    words: str
    follows: str = ""
    reads: tuple[str, ...] = ()


COLUMNS = ("picture_column", "label_column", "labels")
SHARDS = ("shuffle_shards", "shard_cache")

KINDS = {
    "digits": Row("digits:list_digits", "the handwritten digits of scikit-learn"),
    "imagenet": Row("imagenet:list_imagenet", "pictures in ImageNet's folders", "PATH"),
    "tiny-imagenet": Row("tiny_imagenet:list_tiny_imagenet", "pictures in Tiny ImageNet's folders", "PATH"),
    "parquet": Row("parquet:list_parquet", "parquet files", "PATH", (*COLUMNS, *SHARDS)),
    "datasets": Row("saved_datasets:list_saved", "a folder that the library datasets has saved", "PATH", COLUMNS),
    "hf": Row("hub_datasets:list_hub", "a data set of the Hub", "NAME", (*COLUMNS, *SHARDS)),
    "csv": Row(
        "csv_files:list_csv",
        "picture files that a table names",
        "FILE",
        (*COLUMNS, "label_separator", "split_column", "root", "on_bad_image"),
    ),
    "cifar10": Row("named_sets:list_named", "CIFAR-10"),
    "cifar100": Row("named_sets:list_named", "CIFAR-100"),
    "mnist": Row("named_sets:list_named", "MNIST"),
    "fashion-mnist": Row("named_sets:list_named", "Fashion-MNIST"),
    "svhn": Row("named_sets:list_named", "SVHN"),
    "dataset": Row("datasets:list_dataset", "a data set that a Python program made", "NAME"),
    "webdataset": Row(
        "webdataset:list_webdataset",
        "tar shards",
        "SHARDS",
        (*COLUMNS, "label_separator", "class_names", "on_bad_image", *SHARDS),
    ),
}
"""By the word before the colon, or the whole text."""

FOLDER = Row("class_folders:list_folder", "pictures in class folders")
"""A path without a kind."""

OF_SOME_KINDS = ("picture_column", "label_column", "labels", "label_separator", "split_column", "root", "class_names")
"""The settings that only some kinds read."""


def list_source(text: str, settings: DataSettings | None = None) -> Listing:
    """The listing of a source, without decoding a picture.

    Raises RequestError for an unknown kind (with the nearest ones), for a path that does not exist and for a setting
    that the kind does not read, WorkError if the source cannot be read at all. Faults inside the source stand in
    `Listing.problems`.
    """
    settings = settings or DataSettings()
    row, rest = kind_of(text)
    findings = Findings()
    with findings:
        _check_read(text, row, settings)
    with findings:
        listing = _function(row.place)(rest, **{name: getattr(settings, name) for name in row.reads})
    findings.raise_if_any()
    beside = text in KINDS and Path(text).is_dir()
    return _beside_a_folder(listing, text) if beside else listing


def named_kind(text: str) -> Row | None:
    """The kind that a text names by its word, whether the source exists or not; None for a path."""
    word, colon, _ = text.partition(":")
    row = KINDS.get(word)
    return row if row is not None and bool(colon) == bool(row.follows) else None


def kind_of(text: str) -> tuple[Row, str]:
    """The kind of a source, and the text that its function takes. Raises RequestError."""
    word, colon, rest = text.partition(":")
    row = KINDS.get(word)
    if row is not None and row is named_kind(text):
        if colon and not rest:
            raise RequestError(f'The source "{text}" names no {row.follows.lower()}; write {word}:{row.follows}.')
        return row, rest if colon else word
    if row is not None and row.follows and not Path(text).exists():
        raise RequestError(f'The source "{text}" needs a {row.follows.lower()}; write {word}:{row.follows}.')
    if Path(text).expanduser().exists():
        return FOLDER, text
    known = [f"{kind}:{row.follows}" if row.follows else kind for kind, row in KINDS.items()]
    if colon:
        raise RequestError(f'There is no kind of source "{word}" ({nearest(word, KINDS)}).')
    raise RequestError(
        f'The source "{text}" is neither a folder that exists nor a named source ({_hint(text, known)}).'
    )


def _check_read(text: str, row: Row, settings: DataSettings) -> None:
    """Raise RequestError with every setting that this kind does not read."""
    usual = {name: DataSettings.model_fields[name].default for name in OF_SOME_KINDS}
    unread = [name for name, value in usual.items() if name not in row.reads and getattr(settings, name) != value]
    readers = {name: [f"{kind}:{row.follows}" for kind, row in KINDS.items() if name in row.reads] for name in unread}
    if unread:
        raise RequestError(
            *(f"data.{name} is for {' and '.join(readers[name])}; {text} does not read it." for name in unread)
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
    if colon and word in KINDS and KINDS[word].follows == "NAME":
        return text
    prefix, path = (f"{word}:", rest) if colon and word in KINDS else ("", text)
    places = path.split("::") if word == "webdataset" else [path]
    return prefix + "::".join(one if is_address(one) else os.path.abspath(os.path.expanduser(one)) for one in places)


def short_name(text: str) -> str:
    """A word for a source, for the name of a run: the last part of its path that names one file or folder."""
    word, _, rest = text.partition(":")
    parts = Path((rest if word in KINDS and rest else text).partition("::")[0]).parts
    named = [part for part in parts if not set(part) & set("{}*?[]/:")]
    return (named[-1].split(".")[0] if named else "") or "data"


def _hint(text: str, known: list[str]) -> str:
    looks_like_path = "/" in text or text.startswith((".", "~"))
    return "known: " + ", ".join(known) if looks_like_path else nearest(text, known)


def _function(place: str) -> Callable[..., Listing]:
    module, name = place.split(":")
    function: Callable[..., Listing] = getattr(importlib.import_module(f"cardinet.data.kinds.{module}"), name)
    return function
