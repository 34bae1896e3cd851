"""check-data: decode every picture of a source fully, and report everything that is wrong, by name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cardinet.data.check_cache import CheckCache
from cardinet.data.data_settings import DataSettings
from cardinet.data.decode import PictureError
from cardinet.data.findings import Finding
from cardinet.data.inspection import Inspection, Remark, inspect
from cardinet.data.kinds import absolute, list_source
from cardinet.data.labelling import Labels, labelling_of
from cardinet.data.source import Source
from cardinet.data.source_listing import Encoded, Names
from cardinet.data.splitting import divided

Progress = Callable[[int, int], None]
_CHUNK = 32  # pictures for each task of a thread: starting a task costs as much as decoding a small picture


@dataclass(frozen=True)
class CheckReport:
    """The result of check-data. `splits` counts the pictures of each split, `from_cache` those not decoded again."""

    source: str
    pictures: int
    classes: tuple[str, ...]
    splits: Mapping[str, int]
    findings: tuple[Finding, ...]
    ignored: int
    seconds: float
    from_cache: int

    def bad(self) -> tuple[Finding, ...]:
        """The findings that keep a picture or the source from being used."""
        return tuple(finding for finding in self.findings if finding.bad)

    def to_document(self) -> dict[str, Any]:
        """The report for JSON."""
        return {
            **asdict(self),
            "classes": list(self.classes),
            "splits": dict(self.splits),
            "findings": [asdict(finding) for finding in self.findings],
            "bad": len(self.bad()),
        }


@dataclass(frozen=True, slots=True)
class _Picture:
    """One picture to inspect: its split and position, and how to read it. There may be millions of them."""

    split: str
    index: int
    names: Names
    encoded: Encoded

    @property
    def name(self) -> str:
        return self.names[self.index]

    def finding(self, kind: str, detail: str, *, bad: bool) -> Finding:
        return Finding(self.name, self.split, kind, detail, bad, self.names.key(self.index))

    def inspect(self, pixel_limit: int) -> Inspection:
        try:
            return inspect(self.encoded.read(self.index), pixel_limit)
        except PictureError as error:
            return Inspection("", (Remark(error.kind, error.detail, True),))


def check(
    text: str, settings: DataSettings, *, workers: int | None = None, progress: Progress | None = None
) -> CheckReport:
    """Inspect every picture of a source, regardless of `limit`, and its class folders.

    `workers` threads decode (None: one for each core). `progress(done, total)` is called in this thread. Results are
    cached by path, size and time. Everything that a training would refuse is a finding. Raises RequestError for an
    unknown kind or a missing path, WorkError only if a source cannot be read at all.
    """
    start = time.monotonic()
    listing = list_source(text, settings)
    parts = divided(listing, settings)
    pictures = [
        _Picture(split, index, part.names, part.encoded)
        for split, part in parts.items()
        if part.encoded is not None
        for index in range(len(part))
    ]
    inspections, from_cache = _inspect_all(pictures, absolute(text), settings.pixel_limit, workers, progress)
    labels = {split: part.labels for split, part in parts.items()}
    findings = [
        *listing.problems,
        *_without_common_grey(_findings(pictures, inspections), len(pictures)),
        *_duplicates(pictures, inspections, labels, listing.classes),
    ]
    return CheckReport(
        source=text,
        pictures=sum(len(part) for part in parts.values()),
        classes=listing.classes,
        splits={split: len(part) for split, part in parts.items()},
        findings=tuple(findings),
        ignored=listing.ignored,
        seconds=time.monotonic() - start,
        from_cache=from_cache,
    )


def bad_pictures(
    source: Source, settings: DataSettings, progress: Progress | None = None, *, workers: int | None = None
) -> list[Finding]:
    """Findings on the unusable pictures of an opened source; [] if all pictures are decoded in memory already."""
    return [finding for finding in findings_on_pictures(source, settings, progress, workers=workers) if finding.bad]


def findings_on_pictures(
    source: Source, settings: DataSettings, progress: Progress | None = None, *, workers: int | None = None
) -> list[Finding]:
    """The findings of `check` on the pictures of an opened source; [] if all are decoded in memory already."""
    pictures = [
        _Picture(split.name, index, split.names, split.encoded)
        for split in source.splits.values()
        if split.encoded is not None
        for index in range(len(split))
    ]
    # A small source that is not in memory holds a bad picture: it was just decoded, so the cache does not matter. Loose
    # pictures would leave a file in the cache for every choice of them.
    key = None if source.small or not source.classes else absolute(source.text)
    inspections, _ = _inspect_all(pictures, key, settings.pixel_limit, workers, progress)
    labels = {split.name: split.labels for split in source.splits.values()}
    return [
        *_without_common_grey(_findings(pictures, inspections), len(pictures)),
        *_duplicates(pictures, inspections, labels, source.classes),
    ]


def _inspect_all(
    pictures: list[_Picture], key: str | None, pixel_limit: int, workers: int | None, progress: Progress | None
) -> tuple[list[Inspection], int]:
    """The inspection of each picture, in order, and the number from the cache. `key` None means no cache."""
    if not pictures:
        return [], 0
    cache = None if key is None else CheckCache(key, pixel_limit)
    places = [picture.names.place(picture.index) for picture in pictures]
    found = [None if cache is None else cache.get(place) for place in places]
    missing = [i for i, inspection in enumerate(found) if inspection is None]
    missing.sort(key=places.__getitem__)  # file by file, also where the pictures of a file are in several splits
    done = len(pictures) - len(missing)
    from_cache = done
    report = progress or (lambda done, total: None)
    report(done, len(pictures))
    try:
        for i, inspection in _inspected(pictures, missing, pixel_limit, workers):
            found[i] = inspection
            if cache is not None:
                cache.put(places[i], inspection)
            done += 1
            if done % _CHUNK == 0 or done == len(pictures):
                report(done, len(pictures))
    finally:  # also if the user stops it, so that finished work is not repeated
        if missing and cache is not None:
            cache.save()
    return [inspection for inspection in found if inspection is not None], from_cache


def _inspected(
    pictures: list[_Picture], rows: list[int], pixel_limit: int, workers: int | None
) -> Iterator[tuple[int, Inspection]]:
    def look(chunk: list[int]) -> list[tuple[int, Inspection]]:
        return [(i, pictures[i].inspect(pixel_limit)) for i in chunk]

    chunks = [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]
    pool = ThreadPoolExecutor(max(1, workers if workers is not None else os.cpu_count() or 1))
    try:
        for results in pool.map(look, chunks):
            yield from results
    finally:
        pool.shutdown(cancel_futures=True)


def _findings(pictures: list[_Picture], inspections: Iterable[Inspection]) -> list[Finding]:
    return [
        picture.finding(remark.kind, remark.detail, bad=remark.bad)
        for picture, inspection in zip(pictures, inspections, strict=True)
        for remark in inspection.remarks
    ]


def _without_common_grey(findings: list[Finding], pictures: int) -> list[Finding]:
    """Drop the remark "grey" if all pictures of a source are grey."""
    usable = pictures - sum(finding.bad for finding in findings)
    if sum(finding.kind == "grey" for finding in findings) < usable:
        return findings
    return [finding for finding in findings if finding.kind != "grey"]


def _duplicates(
    pictures: list[_Picture], inspections: list[Inspection], labels: Mapping[str, Labels], classes: tuple[str, ...]
) -> list[Finding]:
    """Findings on pictures with the same bytes as an earlier one, and what that means for training."""
    first: dict[str, _Picture] = {}
    found = []
    for picture, inspection in zip(pictures, inspections, strict=True):
        if not inspection.digest or any(remark.kind == "empty" for remark in inspection.remarks):
            continue
        twin = first.setdefault(inspection.digest, picture)
        if twin is picture:
            continue
        detail = f"the same bytes as {twin.names.key(twin.index)}"
        if twin.split != picture.split:
            detail += f", which is in the {twin.split} split, so it would measure memorised pictures"
        label, other = (labels[p.split][p.index] for p in (picture, twin))
        if not np.array_equal(label, other):
            names = labelling_of(labels[picture.split]).words
            detail += f", and the two are of different classes ({names(label, classes)} and {names(other, classes)})"
        found.append(picture.finding("duplicate", detail, bad=False))
    return found
