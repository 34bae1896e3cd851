"""The cache of check-data, by file: a file with the same size and time is not decoded again."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from cardinet.base.cache import cache_folder
from cardinet.base.documents import DocumentError, parse_json, read_bytes, to_json
from cardinet.base.errors import WorkError
from cardinet.base.files import write_atomic
from cardinet.base.schemas import Document, conform
from cardinet.data.inspection import Inspection, Remark
from cardinet.data.picture_formats import reader

VERSION = 3


class _Head(Document):
    """The first line of the cache file. `digest` is that of the second line, which holds the files."""

    version: int
    reader: str
    pixel_limit: int
    sha256: str


class _File(Document):
    """The state of a file, and the digest and remarks (kind, detail, bad) of each row in it."""

    size: int
    time: int
    rows: dict[str, tuple[str, tuple[tuple[str, str, bool], ...]]]


class CheckCache:
    """The inspections of one source, by absolute path and row. Without a writable folder they are not kept."""

    def __init__(self, source: str, pixel_limit: int) -> None:
        self.pixel_limit = pixel_limit
        self.path: Path | None = None
        self._files: dict[str, dict[str, Any]] = {}
        self._states: dict[str, tuple[int, int] | None] = {}
        with suppress(WorkError):
            self.path = (
                cache_folder("check")
                / f"{hashlib.sha256(source.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.json"
            )
            self._files = self._read(self.path)

    def get(self, place: tuple[str, int]) -> Inspection | None:
        """The inspection of a picture whose file has not changed since, else None."""
        file, row = place
        found = self._files.get(file)
        if found is None or [found.get("size"), found.get("time")] != list(self._state(file) or ()):
            return None
        entry = found["rows"].get(str(row))
        return None if entry is None else Inspection(entry[0], tuple(Remark(*remark) for remark in entry[1]))

    def put(self, place: tuple[str, int], inspection: Inspection) -> None:
        """Keep an inspection, with the state that the file had at the time of `get`."""
        file, row = place
        state = self._state(file)
        if state is None:
            return
        found = self._files.get(file)
        if found is None or (found["size"], found["time"]) != state:
            found = self._files[file] = {"size": state[0], "time": state[1], "rows": {}}
        remarks = [[remark.kind, remark.detail, remark.bad] for remark in inspection.remarks]
        found["rows"][str(row)] = [inspection.digest, remarks]

    def save(self) -> None:
        """Write the file. Errors are ignored: a missing cache only costs time later."""
        if self.path is None:
            return
        body = to_json(self._files).encode()
        head = {"version": VERSION, "reader": reader(), "pixel_limit": self.pixel_limit}
        head["sha256"] = hashlib.sha256(body).hexdigest()
        with suppress(WorkError):
            write_atomic(self.path, to_json(head).encode() + b"\n" + body)

    def _state(self, file: str) -> tuple[int, int] | None:
        if file not in self._states:
            try:
                status = os.stat(file)
                self._states[file] = (status.st_size, status.st_mtime_ns)
            except OSError:
                self._states[file] = None
        return self._states[file]

    def _read(self, path: Path) -> dict[str, dict[str, Any]]:
        """The content of the file; empty if it is missing, damaged, or of another version or reader."""
        try:
            first, _, body = read_bytes(path).partition(b"\n")
            head: _Head = conform(_Head, parse_json(first))
            digest = hashlib.sha256(body).hexdigest()
            if (head.version, head.reader, head.pixel_limit, head.sha256) == (
                *(VERSION, reader()),
                *(self.pixel_limit, digest),
            ):
                files: dict[str, dict[str, Any]] = parse_json(body)
                conform(dict[str, _File], files)
                return files
        except (OSError, DocumentError):
            pass
        return {}
