"""Tar shards by the conventions of webdataset, in files or on web servers."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from cardinet.base.amounts import amount
from cardinet.base.documents import DocumentError, read_lines
from cardinet.base.errors import Findings, Notice, RequestError, WorkError
from cardinet.base.side_work import counted
from cardinet.data.data_settings import DataSettings
from cardinet.data.findings import Finding
from cardinet.data.kept_shards import GIB
from cardinet.data.kinds.class_problems import class_problems, count_problems
from cardinet.data.kinds.csv_labels import between
from cardinet.data.kinds.faults import Faults
from cardinet.data.kinds.shard_notes import shard_notes
from cardinet.data.kinds.shard_places import shard_places
from cardinet.data.kinds.shard_sets import ShardSet, open_shards
from cardinet.data.kinds.split_names import files_by_split
from cardinet.data.kinds.text_labels import TextLabels, numbered
from cardinet.data.kinds.text_lists import numbered_lists
from cardinet.data.labelling import Labels
from cardinet.data.shards import ShardNames, ShardPictures
from cardinet.data.source_listing import Listing, SplitPictures, fingerprint
from cardinet.data.splitting import WHOLE
from cardinet.data.tar_index import Columns, NoTar, ShardIndex, index_path, keep_index, kept_index, nothing, read_index
from cardinet.data.tar_lists import LINES

FAULTS = {
    "no-tar": "no shard of pictures can be read there",
    "truncated": "the shard is cut or damaged there, so what follows is lost; fetch or write it again",
    "empty-shard": "the shard holds no sample",
    "duplicate-key": "the shard has this key or file more than once; give every sample its own key",
    "no-picture": "the sample has no picture",
    "several-pictures": "the sample has several pictures; choose one: --set data.picture_column=SUFFIX",
    "no-label": "the sample has no label (.cls, or a label in .json; --set data.label_column names another)",
    "several-labels": "the sample has a list of labels; for several labels of a picture: --set data.labels=list",
    "wrong-label": "the label is outside the classes",
    "twice-named": "the sample names a label twice; remove one of them",
    "mixed-labels": "some labels are numbers and some are names; name the classes: --set data.class_names=FILE",
}
"""What can be wrong with shards and samples, in the order of the findings."""

OF_SAMPLES = (
    "truncated",
    "duplicate-key",
    "no-picture",
    "several-pictures",
    "no-label",
    "several-labels",
    "wrong-label",
    "twice-named",
)
"""The faults of single samples, which are left out with `on_bad_image` "skip"."""

NOTES = ("empty-shard",)

NUMBERED = {"one": numbered, "list": numbered_lists}
"""How the labels become numbers, by the setting `labels`."""

PATIENCE = 3
"""The shards that cannot be fetched before the others are not tried."""


def list_webdataset(
    text: str,
    *,
    picture_column: str | None = None,
    label_column: str | None = None,
    labels: str = "one",
    label_separator: str | None = None,
    class_names: str | None = None,
    on_bad_image: str = "fail",
    shuffle_shards: int = 16,
    shard_cache: float = 32.0,
) -> Listing:
    """The samples of tar shards, at the paths or addresses that `shard_places` finds.

    A sample's label is its .cls (a number or a name), else the `label` (or another usual field) of its .json, else what
    `label_column` names: a file or a field. With `labels` "list" it has several, or none (`tar_lists.label_list`).
    Numbers are classes by themselves, or places in `class_names`, a file with a name in each line. Shards of several
    splits have the split in their names; others are divided like class folders without splits. Faults of samples and
    shards are problems of the listing, one for each kind; those of samples are left out with `on_bad_image` "skip". The
    index of each shard is made once and kept in the cache folder. Raises RequestError for places that do not exist,
    WorkError for shards that cannot be fetched.
    """
    if labels not in NUMBERED:
        raise RequestError(f"data.labels = {labels} is for csv:FILE; tar shards with several labels have a list: list.")
    shards = open_shards(shard_places(text), shuffle_shards, shard_cache)
    findings, splits = Findings(), dict[str, list[int]]()
    with findings:
        splits = _splits(shards, text)
    names: tuple[str, ...] | None = None
    with findings:
        names = None if class_names is None else _class_names(shards.beside(class_names))
    findings.raise_if_any()
    faults = Faults(f"webdataset:{text}", FAULTS)
    columns = Columns(picture_column, label_column, lists=None if labels == "one" else between(label_separator, LINES))
    paths = [index_path(identity, columns) for identity in shards.identities]
    indexes = _indexes(shards, columns, paths, faults)
    written = {split: TextLabels([indexes[i].labels for i in places]) for split, places in splits.items()}
    found = NUMBERED[labels](written, names)
    if found.mixed is not None:
        faults.add("mixed-labels", *found.mixed)
    parts: dict[str, SplitPictures] = {}
    entries = []
    for split, places in splits.items():
        part = _pictures(shards, places, [indexes[i] for i in places], paths, found.labels[split])
        if len(wrong := np.flatnonzero(found.wrong[split])):
            said = [f"{part.names[int(i)]} ({written[split].text(int(i))})" for i in wrong[:3]]
            faults.add("wrong-label", *said, more=len(wrong) - len(said))
            part = part.take(np.flatnonzero(~found.wrong[split]))
        parts[split] = part
        entries += [f"{split}\t{shards.names[i]}\t{shards.sizes[i]}\t{_digest(indexes[i])}" for i in places]
    problems = faults.findings(OF_SAMPLES if on_bad_image == "skip" else (), NOTES)
    for split, part in parts.items():
        problems += class_problems(split, part, found.classes, found.unknown.get(split, ()), "samples")
    if any(map(len, parts.values())) or not any(problem.bad for problem in problems):  # else it has been said why
        problems += count_problems(f"webdataset:{text}", found.classes, parts)
    problems += shard_notes(parts, len(found.classes), shuffle_shards)
    identity = fingerprint(found.classes, entries)
    return Listing(found.classes, parts, identity, tuple(problems), unsplit=len(parts) == 1)


def pictures_in_shards(text: str, settings: DataSettings) -> tuple[dict[str, SplitPictures], str, tuple[Finding, ...]]:
    """The pictures of tar shards by split, for a prediction, their fingerprint, and findings on samples without one.

    They need no labels. Raises as `list_webdataset` does, and WorkError for shards that cannot be read.
    """
    shards = open_shards(shard_places(text), settings.shuffle_shards, settings.shard_cache)
    splits, without = files_by_split(text, [PurePosixPath(name) for name in shards.names])
    splits |= {WHOLE: without} if without else {}
    faults = Faults(f"webdataset:{text}", FAULTS)
    columns = Columns(settings.picture_column, labelled=False)
    paths = [index_path(identity, columns) for identity in shards.identities]
    indexes = _indexes(shards, columns, paths, faults)
    found = [finding for finding in faults.findings((), NOTES) if finding.bad]
    if any(finding.kind not in OF_SAMPLES for finding in found):
        raise WorkError(*(finding.sentence() for finding in found))
    parts, entries = {}, list[str]()
    for split, places in splits.items():
        some = [indexes[i] for i in places]
        labels = np.full(sum(map(len, some)), -1, dtype=np.int64)
        parts[split] = _pictures(shards, places, some, paths, labels)
        entries += [f"{split}\t{shards.names[i]}\t{shards.sizes[i]}\t{_digest(indexes[i])}" for i in places]
    return parts, fingerprint((), entries), tuple(found)


def _splits(shards: ShardSet, text: str) -> dict[str, list[int]]:
    """The numbers of the shards of each split. Shards of one split only are taken as a whole, as "train"."""
    found, without = files_by_split(text, [PurePosixPath(name) for name in shards.names])
    if len(found) + bool(without) < 2:
        return {"train": list(range(len(shards.names)))}
    if without:
        raise WorkError(
            f"{shards.names[without[0]]} belongs to no split, but {shards.names[next(iter(found.values()))[0]]} does; "
            "say train, validation or test in the name of each shard or its folder."
        )
    if "train" not in found:
        raise WorkError(f"{text} has shards for {' and '.join(found)}, but none for train.")
    return {split: found[split] for split in ("train", "validation", "test") if split in found}


def _class_names(file: Path) -> tuple[str, ...]:
    """The names in a file, one in each line. Raises RequestError or WorkError."""
    if not file.is_file():
        raise RequestError(f"data.class_names: there is no file {file}.")
    try:
        names = tuple(line.strip() for line in read_lines(file) if line.strip())
    except DocumentError as error:
        raise WorkError(f"{file} cannot be read: {error}.") from None
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise RequestError(f'data.class_names: {file} has "{twice}" more than once.')
    return names


def _indexes(shards: ShardSet, columns: Columns, paths: Sequence[Path], faults: Faults) -> list[ShardIndex]:
    """The index of each shard; a shard that is none is empty. Raises WorkError for shards that cannot be fetched."""
    found = [kept_index(path) for path in paths]
    missing = [number for number, index in enumerate(found) if index is None]
    if (size := sum(shards.sizes[number] for number in missing)) > GIB:
        what = f"the index of {amount(len(missing), 'shard')} ({size / GIB:.1f} GiB) is made once and kept"
        warnings.warn(Notice(f"{what}; this takes a while."), stacklevel=2)
    if missing:
        shards.files.expect(missing)
    failures = Findings()
    for number in counted("reading shards", missing, len(missing)):
        with failures:
            try:
                index = read_index(shards.files.path(number), columns)
            except NoTar as why:
                faults.add("no-tar", f"{shards.names[number]}: {why}")
                continue
            found[number] = index
            keep_index(paths[number], index)
        if len(failures.errors) == PATIENCE:
            break  # the server, not a shard
    failures.raise_if_any()
    for name, one in zip(shards.names, found, strict=True):
        if one is not None:
            for kind, place in zip(one.fault_kinds.tolist(), one.fault_places.tolist(), strict=True):
                faults.add(kind, f"{name}{place}")
            if not len(one) and not len(one.fault_kinds):
                faults.add("empty-shard", name)
    return [nothing() if one is None else one for one in found]


def _pictures(
    shards: ShardSet, places: Sequence[int], indexes: Sequence[ShardIndex], paths: Sequence[Path], labels: Labels
) -> SplitPictures:
    """The pictures of one split. `paths` are the files that keep the indexes of all shards."""
    suffixes = {str(suffix): i for i, suffix in enumerate(dict.fromkeys(s for one in indexes for s in one.suffixes))}
    counts = [len(one) for one in indexes]
    shard = np.repeat(np.array(places, dtype=np.int32), counts)
    tables = [np.array([suffixes[str(s)] for s in one.suffixes], dtype=np.int16)[one.suffix] for one in indexes]
    names = ShardNames(
        names=shards.names,
        states=shards.local or tuple(paths),
        suffixes=tuple(suffixes),
        shard=shard,
        keys=np.concatenate([one.keys for one in indexes]),
        suffix=np.concatenate(tables),
        row=np.concatenate([np.arange(count, dtype=np.int32) for count in counts]),
    )
    offset, size = (np.concatenate([getattr(one, name) for one in indexes]) for name in ("offset", "size"))
    return SplitPictures(names, labels, encoded=ShardPictures(shards.files, shard, offset, size))


def _digest(index: ShardIndex) -> str:
    """The samples of a shard in a few letters: their keys, labels and places."""
    arrays = (index.keys, index.labels, index.offset, index.size)
    return hashlib.sha256(b"".join(f"{a.dtype.str}\n".encode() + a.tobytes() for a in arrays)).hexdigest()
