"""A folder of tables with one row for each picture of a source: shard by shard, so that a killed work goes on.

    DIR/_manifest.json       what the rows answer: model, pictures, settings; programs that read tables skip its name
    DIR/part-00000.parquet   the rows of the first pictures, in order; .csv if the form is that

A shard is written whole or not at all, so a shard that is there is finished.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from cardinet.base.amounts import amount
from cardinet.base.documents import to_json
from cardinet.base.errors import RequestError, WorkError
from cardinet.base.files import locked, remove_parts, write_atomic
from cardinet.base.output_paths import check_new_folder
from cardinet.base.schemas import Count, Document, read_document
from cardinet.base.terminal_text import SHOWN
from cardinet.base.version import __version__
from cardinet.data.labelling import LABELLINGS, Name
from cardinet.runs.answer_table import columns
from cardinet.runs.computed_by import EAGER, ComputedBy
from cardinet.runs.table_forms import FORMS, Counted, Form

MANIFEST = "_manifest.json"

WORDS = {
    "model_sha256": "model",
    "pictures_sha256": "names and sizes of the pictures",
    "shard_rows": "number of rows of a shard (--shard-rows)",
    "top": "number of classes (--top)",
    "count": "number of pictures",
    "form": "form of the tables",
}
"""What the entries of a manifest are that must not differ, in words."""

OPTIONS = {"split": "split (--split)", "threshold": "threshold (--threshold)", "precisions": "precisions (--precision)"}
"""The settings of a manifest that are options of the command, in words."""


class Manifest(Document):
    """What the rows of a folder answer. `model` and `pictures` are the words of the first request.

    `computed_by` is what has computed the rows, the last one those that are missing. Version 1 had eager mode only.
    """

    document: Literal["cardinet predictions"] = "cardinet predictions"
    schema_version: Literal[1, 2] = 2
    cardinet: str = __version__
    form: Literal["csv", "parquet"]
    model: str
    model_sha256: str
    pictures: tuple[str, ...]
    pictures_sha256: str
    count: Count
    shard_rows: Annotated[Count, Field(ge=1)]
    top: Annotated[Count, Field(ge=1)]
    labels: Name = "one"
    computed_by: Annotated[tuple[ComputedBy, ...], Field(min_length=1)] = (EAGER,)
    settings: dict[str, Any]

    def differences(self, other: Manifest) -> list[str]:
        """What differs from another manifest, each with both values."""
        pairs = {words: (getattr(self, name), getattr(other, name)) for name, words in WORDS.items()}
        for name in {**self.settings, **other.settings}:
            words = OPTIONS.get(name, f"setting {name} (--set {name})")
            pairs[words] = self.settings.get(name), other.settings.get(name)
        return [
            f"the {words}: {_short(there)} there, {_short(here)} here"
            for words, (there, here) in pairs.items()
            if there != here
        ]


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


class ShardFolder:
    """The tables of a manifest in a folder."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._begun: Manifest | None = None
        self.form: Form = FORMS[manifest.form]
        self.columns = columns(manifest.top, truth=False, labelling=LABELLINGS[manifest.labels])

    def check(self) -> None:
        """Raise RequestError if the folder cannot be made, is no folder of tables, or answers another request."""
        if not self.path.is_dir() or not any(self.path.iterdir()):
            if not self.path.is_dir():
                check_new_folder(self.path, parents=True)
            return
        file = self.path / MANIFEST
        if not file.is_file():
            raise RequestError(
                f"--out {self.path}: this folder holds files, but no {MANIFEST}, so it is not a prediction that can go "
                "on; name a new or empty folder."
            )
        begun: Manifest = read_document(file, Manifest)
        if different := begun.differences(self.manifest):
            raise RequestError(
                f"--out {self.path}: the folder was begun with another request: {'; '.join(different)}. Give the same "
                "request, and it goes on, or name a new folder."
            )
        self._begun = begun
        self.manifest = self.manifest.model_copy(update={"computed_by": begun.computed_by})

    @property
    def begun_by(self) -> ComputedBy | None:
        """What computes the rows of a folder that was begun, as `check` has found; None for a new one."""
        return None if self._begun is None else self._begun.computed_by[-1]

    def go_on_with(self, by: ComputedBy) -> None:
        """Note what computes the missing rows. It is written with the lock."""
        before = () if self._begun is None else self._begun.computed_by
        self.manifest = self.manifest.model_copy(update={"computed_by": before if by in before[-1:] else (*before, by)})

    @property
    def left(self) -> int:
        """The number of rows that are missing."""
        spans = [self.span(shard) for shard in range(self.shards) if not self.file(shard).exists()]
        return sum(stop - start for start, stop in spans)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder if it is not there, and hold its lock. Raises WorkError if another process writes it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkError(f"{self.path} cannot be made: {error.strerror}.") from error
        with locked(self.path, f"{self.path} is being written by another process; wait for it or stop it."):
            remove_parts(self.path)
            self._write_manifest()
            yield
            remove_parts(self.path)  # of workers that were lost

    def _write_manifest(self) -> None:
        """Write the manifest of a new folder, or note in the one that is there what computes the missing rows."""
        file, begun, by = self.path / MANIFEST, self._begun or self.manifest, self.manifest.computed_by
        if not file.exists() or begun.computed_by != by:
            written = begun.model_copy(update={"computed_by": by, "schema_version": 2})
            write_atomic(file, to_json(written.model_dump(mode="json"), indent=1) + "\n")

    @cached_property
    def shards(self) -> int:
        """The number of shards."""
        return -(-self.manifest.count // self.manifest.shard_rows)

    def span(self, shard: int) -> tuple[int, int]:
        """The first picture of a shard, and the one after its last."""
        rows = self.manifest.shard_rows
        return shard * rows, min(self.manifest.count, (shard + 1) * rows)

    def file(self, shard: int) -> Path:
        """The file of a shard. Names in the order of the alphabet are in the order of the pictures."""
        digits = max(5, len(str(self.shards - 1)))
        return self.path / f"part-{shard:0{digits}}{self.form.suffix}"

    def finished(self, shard: int) -> Counted | None:
        """The rows of a shard; None if it is not there yet. Raises WorkError if it is damaged."""
        path = self.file(shard)
        if not path.exists():
            return None
        counted = self.form.counted(path, self.columns)
        start, stop = self.span(shard)
        if counted.rows != stop - start:
            raise WorkError(
                f"{path} is damaged: it has {amount(counted.rows, 'row')} of {stop - start:,}; remove it, and it "
                "is made again."
            )
        return counted
