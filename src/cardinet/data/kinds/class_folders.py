"""Class folders: one folder for each class, with or without train/, val/ and test/ above them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.findings import Finding
from cardinet.data.kinds.class_problems import count_problems
from cardinet.data.kinds.split_names import is_saved, split_of
from cardinet.data.picture_formats import EXTENSIONS, KINDS, system_kind, system_sentence, unread_sentences
from cardinet.data.source_listing import Listing, Paths, SplitPictures, fingerprint

TINY_IMAGENET = "val_annotations.txt"
"""The file in val/ that marks Tiny ImageNet, whose val/ has no class folders."""

UNLABELLED = ("unknown", "images", "unlabeled", "unlabelled")
"""Usual names of a single folder of pictures without labels."""


@dataclass
class Scan:
    """The pictures below one split's folder, by class: (path relative to the source, bytes).

    `ignored` counts the files whose names are not those of pictures. `unread` counts those of them that are pictures in
    formats that are not read, by suffix. `system` counts hidden files and folders and those of systems, by kind.
    """

    folder: Path
    pictures: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    ignored: int = 0
    unread: Counter[str] = field(default_factory=Counter)
    system: Counter[str] = field(default_factory=Counter)

    def ignore(self, name: str) -> None:
        """Count a file whose name is not that of a picture."""
        self.ignored += 1
        suffix = os.path.splitext(name)[1].lower()
        if suffix in KINDS:
            self.unread[suffix] += 1

    def notes(self, split: str) -> list[Finding]:
        """Findings on the files that were left out, by kind."""
        details = [("not-read", sentence) for sentence in unread_sentences(self.unread)]
        if self.system:
            details.append(("system-files", system_sentence(self.system)))
        return [Finding(str(self.folder), split, kind, detail, bad=False) for kind, detail in details]


FILES = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".tar": "webdataset"}
"""By the end of a file's name: the kind of source that reads it."""


def list_folder(text: str) -> Listing:
    """The class folders below a path.

    Classes are sorted as Python sorts text, so "10" comes before "2", as in torchvision. Folders inside a class are
    read too. Hidden files and folders, those of the system, and files whose names are not those of pictures are left
    out and counted. Raises RequestError when the path is not a folder or Tiny ImageNet's, WorkError when it holds no
    class folder at all or splits under names that are not known.
    """
    root = Path(text).expanduser()
    if not root.is_dir():
        hint = next((kind for end, kind in FILES.items() if text.lower().endswith(end)), None)
        instead = "give the folder that holds one folder for each class" if hint is None else f"write {hint}:{text}"
        raise RequestError(f'The source "{text}" is a file; {instead}.')
    if is_saved(root):
        raise RequestError(f"{root} is a data set that save_to_disk wrote; write datasets:{text}.")
    if (root / "val" / TINY_IMAGENET).is_file():
        raise RequestError(f"{root} is Tiny ImageNet, whose val/ has no class folders; write tiny-imagenet:{text}.")
    folders, problems = split_folders(root), []
    if folders:
        problems = _unused(root, folders)
    else:
        _check_no_splits(root)
    scans = {split: scan(root, folder) for split, folder in (folders or {"train": root}).items()}
    if not any(part.pictures for part in scans.values()):
        raise WorkError(f"{root} holds no class folders; expected {root}/CLASS/PICTURE or {root}/train/CLASS/PICTURE.")
    return from_scans(root, scans, unsplit=len(scans) == 1, problems=problems)


def split_folders(root: Path) -> dict[str, Path]:
    """The folders of the splits by the split's name, {} where there is no train/ of class folders.

    A folder may have any name that `split_of` knows. If it holds only another folder of the same split, that one counts
    (seg_train/seg_train/CLASS). Raises WorkError for two folders of one split.
    """
    found: dict[str, Path] = {}
    for entry in visible_entries(root):
        split = split_of(entry.name)
        if split is None or not entry.is_dir() or not holds_classes(entry):  # "train" may be a class: bus, car, train
            continue
        if split in found:
            raise WorkError(f"{root} holds both {found[split].name}/ and {entry.name}/; keep one of them.")
        found[split] = Path(entry.path)
    if "train" not in found:
        return {}
    return {split: _innermost(found[split], split) for split in ("train", "validation", "test") if split in found}


def holds_classes(folder: Path | str | os.DirEntry[str]) -> bool:
    """Whether a folder holds class folders, and not only one folder of loose pictures, as in Kaggle's test/test/."""
    folders = _folders(folder)
    if len(folders) != 1:
        return bool(folders)
    (only,) = folders
    inner = os.path.join(os.fspath(folder), only)
    return bool(_folders(inner)) or not (split_of(only) or only.casefold() in UNLABELLED)


def _innermost(folder: Path, split: str) -> Path:
    inside = visible_entries(folder)
    if len(inside) == 1 and inside[0].is_dir() and split_of(inside[0].name) == split and _folders(inside[0]):
        return _innermost(Path(inside[0].path), split)
    return folder


def _folders(folder: Path | str | os.DirEntry[str]) -> frozenset[str]:
    """The names of the folders in a folder."""
    return frozenset(entry.name for entry in visible_entries(os.fspath(folder)) if entry.is_dir())


def _unused(root: Path, used: Mapping[str, Path]) -> list[Finding]:
    """Notes on files and folders beside the splits' folders; they are not read."""
    tops = {folder.relative_to(root).parts[0] for folder in used.values()}
    details = {
        name: "it holds no class folders, so it is not used"
        if split_of(name) and not holds_classes(root / name)
        else f"it lies beside {', '.join(sorted(f'{top}/' for top in tops))} and is not used"
        for name in sorted(_folders(root) - tops)
    }
    found = [Finding(str(root / name), "", "unused-folder", detail, bad=False) for name, detail in details.items()]
    visible_entries(root, system := Counter[str]())
    if system:
        found.append(Finding(str(root), "", "system-files", system_sentence(system), bad=False))
    return found


def _check_no_splits(root: Path) -> None:
    """Raise WorkError if the folders are splits and not classes: by their names, or if all hold the same folders."""
    inside = {entry.name: _folders(entry) for entry in visible_entries(root) if entry.is_dir()}
    splits = [name for name, folders in inside.items() if folders and split_of(name)]
    if splits:
        raise WorkError(
            f"{root} holds {' and '.join(f'{name}/' for name in splits)} with class folders, but no train/; "
            f"add train/. To evaluate a model on one of them, name it: {root / splits[0]}."
        )
    if len(inside) > 1 and len(set(inside.values())) == 1 and len(next(iter(inside.values()))) > 1:
        same = ", ".join(sorted(next(iter(inside.values())))[:4])
        raise WorkError(
            f"{root} holds {', '.join(f'{name}/' for name in list(inside)[:4])}, and each holds the same folders "
            f"({same}), as splits do; call them train/, val/ and test/. If they are classes, move the pictures out of "
            "these inner folders."
        )


def visible_entries(folder: Path | str, system: Counter[str] | None = None) -> list[os.DirEntry[str]]:
    """The entries that are neither hidden nor made by a system, sorted by name. `system` counts the others by kind.

    Raises WorkError if the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            seen = sorted(entries, key=lambda entry: entry.name)
        kinds = {entry.name: system_kind(entry.name, entry.is_dir) for entry in seen}
        if system is not None:
            system.update(kind for kind in kinds.values() if kind is not None)
        return [entry for entry in seen if kinds[entry.name] is None]
    except OSError as error:
        raise WorkError(f"{folder} cannot be read: {error.strerror}.") from error


def scan(root: Path, folder: Path) -> Scan:
    """The pictures of each class folder in `folder`; loose files beside the class folders are counted as ignored."""
    result = Scan(folder)
    for entry in visible_entries(folder, result.system):
        if not entry.is_dir():
            result.ignore(entry.name)
            continue
        pictures = result.pictures[entry.name] = []
        for path, size in files_below(entry.path, result.system):
            if path.lower().endswith(EXTENSIONS):
                pictures.append((os.path.relpath(path, root), size))
            else:
                result.ignore(path)
    return result


def files_below(folder: str, system: Counter[str] | None = None) -> Iterator[tuple[str, int]]:
    """All files below a folder with their sizes, by name. A link to a folder above itself, a loop, is not followed.

    Hidden files and those of the system are left out, and counted in `system` if it is given.
    """
    places = (os.path.abspath(folder), os.path.realpath(folder))
    above = {_identity(str(one)) for place in places for one in Path(place).parents}
    return _files_below(folder, frozenset(above), system)


def _files_below(
    folder: str, above: frozenset[tuple[int, int]], system: Counter[str] | None
) -> Iterator[tuple[str, int]]:
    identity = _identity(folder)
    if identity in above:
        return
    for entry in visible_entries(folder, system):
        if entry.is_dir():
            yield from _files_below(entry.path, above | {identity}, system)
        else:
            yield entry.path, (entry.stat().st_size if os.path.exists(entry.path) else 0)


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def from_scans(root: Path, scans: dict[str, Scan], *, unsplit: bool, problems: Iterable[Finding] = ()) -> Listing:
    """The listing of scanned splits, with their faults added to the known `problems`."""
    classes = tuple(sorted(scans["train"].pictures))
    number = {name: i for i, name in enumerate(classes)}
    parts, problems, entries = {}, list(problems), []
    for split, found in scans.items():
        problems += _class_problems(split, found, classes) + found.notes(split)
        rows = [(path, number[name]) for name in classes for path, _ in found.pictures.get(name, [])]
        paths = Paths(root, [path for path, _ in rows])
        parts[split] = SplitPictures(paths, np.array([label for _, label in rows], dtype=np.int64), encoded=paths)
        for name, pictures in found.pictures.items():
            entries += [f"{split}\t{path}\t{size}\t{name}" for path, size in pictures]
    problems += count_problems(str(root), classes, parts)
    return Listing(
        classes,
        parts,
        fingerprint(classes, entries),
        problems=tuple(problems),
        unsplit=unsplit,
        ignored=sum(found.ignored for found in scans.values()),
    )


def _class_problems(split: str, found: Scan, classes: tuple[str, ...]) -> list[Finding]:
    problems = []
    for name, pictures in sorted(found.pictures.items()):
        if any("\ud800" <= sign <= "\udfff" for sign in name):  # bytes that are not UTF-8
            detail = f"the class's name {name!r} is not UTF-8 and cannot be written down; rename the folder"
            problems.append(Finding(repr(str(found.folder / name)), split, "unreadable-name", detail, bad=True))
        elif name not in classes:
            detail = "the class has no folder in train/, so it cannot be learnt; add one or remove this one"
            problems.append(Finding(str(found.folder / name), split, "unknown-class", detail, bad=True))
        elif not pictures and split == "train":
            detail = "the class folder holds no pictures; add some or remove the folder"
            problems.append(Finding(str(found.folder / name), split, "empty-class", detail, bad=True))
        elif not pictures:
            detail = "the class folder holds no pictures, so the class is not measured"
            problems.append(Finding(str(found.folder / name), split, "empty-class", detail, bad=False))
    return problems
