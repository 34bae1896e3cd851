"""Class folders: one folder a class, with or without train/, val/ and test/ above them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.decode import EXTENSIONS
from cardinet.data.findings import Finding
from cardinet.data.listing import Listing, Part, Paths, fingerprint

SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}


@dataclass
class Scan:
    """The pictures below one split's folder, by class: (path relative to the source, bytes)."""

    folder: Path
    pictures: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    ignored: int = 0


def list_folder(text: str) -> Listing:
    """The class folders below a path.

    Classes are sorted as Python sorts text, so that "10" comes before "2", as in torchvision. Folders within a
    class are read too; hidden files and folders are left out; files whose name is not a picture's are counted.
    Raises RequestError when the path is no folder, WorkError when it holds no class folder at all.
    """
    root = Path(text).expanduser()
    if not root.is_dir():
        raise RequestError(f'The source "{text}" is a file; give the folder that holds one folder for each class.')
    folders = split_folders(root)
    scans = {split: scan(root, folder) for split, folder in (folders or {"train": root}).items()}
    if not any(part.pictures for part in scans.values()):
        raise WorkError(f"{root} holds no class folders; expected {root}/CLASS/PICTURE or {root}/train/CLASS/PICTURE.")
    return from_scans(root, scans, unsplit=len(scans) == 1)


def split_folders(root: Path) -> dict[str, Path]:
    """The folders of the splits by the split's name, {} where there is no train/ of class folders."""
    train = root / "train"
    if not train.is_dir() or not any(entry.is_dir() for entry in visible(train)):
        return {}  # "train" may be a class: bus, car, train
    found: dict[str, Path] = {}
    for name, split in SPLITS.items():
        if (root / name).is_dir():
            if split in found:
                raise WorkError(f"{root} holds both {found[split].name}/ and {name}/; keep one of them.")
            found[split] = root / name
    return found


def visible(folder: Path | str) -> list[os.DirEntry[str]]:
    """The entries that are not hidden, sorted by name. Raises WorkError when the folder cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        raise WorkError(f"{folder} cannot be read: {error.strerror}.") from error


def scan(root: Path, folder: Path) -> Scan:
    """The pictures of each class folder in `folder`; loose files beside the class folders are counted as ignored."""
    result = Scan(folder)
    for entry in visible(folder):
        if not entry.is_dir():
            result.ignored += 1
            continue
        pictures = result.pictures[entry.name] = []
        for path, size in files_below(entry.path, frozenset()):
            if path.lower().endswith(EXTENSIONS):
                pictures.append((os.path.relpath(path, root), size))
            else:
                result.ignored += 1
    return result


def files_below(folder: str, above: frozenset[tuple[int, int]]) -> Iterator[tuple[str, int]]:
    """All files below a folder with their sizes, by name. `above` holds the folders on the way, for link loops."""
    status = os.stat(folder)
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        return
    for entry in visible(folder):
        if entry.is_dir():
            yield from files_below(entry.path, above | {identity})
        else:
            yield entry.path, (entry.stat().st_size if os.path.exists(entry.path) else 0)


def from_scans(root: Path, scans: dict[str, Scan], *, unsplit: bool) -> Listing:
    """The listing of scanned splits, with what is wrong in them."""
    classes = tuple(sorted(scans["train"].pictures))
    number = {name: i for i, name in enumerate(classes)}
    parts, problems, entries = {}, [], []
    for split, found in scans.items():
        problems += _class_problems(split, found, classes)
        rows = [(path, number[name]) for name in classes for path, _ in found.pictures.get(name, [])]
        paths = Paths(root, [path for path, _ in rows])
        parts[split] = Part(paths, np.array([label for _, label in rows], dtype=np.int64), encoded=paths)
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
        if any("\ud800" <= sign <= "\udfff" for sign in name):  # how bytes that are no UTF-8 arrive
            detail = f"the class's name {name!r} is no UTF-8 and cannot be written down; rename the folder"
            problems.append(Finding(repr(str(found.folder / name)), split, "unreadable-name", detail, bad=True))
        elif name not in classes:
            detail = "the class has no folder in train/, so it cannot be learnt; add one or take this one away"
            problems.append(Finding(str(found.folder / name), split, "unknown-class", detail, bad=True))
        elif not pictures and split == "train":
            detail = "the class folder holds no pictures; add some or take the folder away"
            problems.append(Finding(str(found.folder / name), split, "empty-class", detail, bad=True))
        elif not pictures:
            detail = "the class folder holds no pictures, so the class is not measured"
            problems.append(Finding(str(found.folder / name), split, "empty-class", detail, bad=False))
    return problems


def count_problems(source: str, classes: tuple[str, ...], parts: dict[str, Part]) -> list[Finding]:
    """One class only, or a split without pictures."""
    problems = []
    if len(classes) < 2:
        only = f'only one class, "{classes[0]}"' if classes else "no class"
        problems.append(Finding(source, "train", "one-class", f"{only}; a classifier needs two or more", bad=True))
    for split, part in parts.items():
        if not len(part):
            problems.append(Finding(source, split, "no-pictures", f"the {split} split holds no pictures", bad=True))
    return problems
