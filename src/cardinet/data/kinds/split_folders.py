"""The pictures in folders of splits without their labels, for a prediction."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.kinds.class_folders import files_below, visible_entries
from cardinet.data.kinds.imagenet import published
from cardinet.data.kinds.split_names import split_of
from cardinet.data.labelling.one import NO_CLASS
from cardinet.data.picture_formats import EXTENSIONS
from cardinet.data.source_listing import Paths, SplitPictures, fingerprint

SPLITS = ("train", "validation", "test")


def pictures_in_splits(text: str) -> tuple[dict[str, SplitPictures], str]:
    """The pictures below `PATH/train`, `PATH/val` and `PATH/test` by split, by name, and their fingerprint.

    The folders may have any name that `split_of` knows, and class folders inside or none: the published test pictures
    of ImageNet and Tiny ImageNet have no labels. Raises RequestError for a missing path or without such a folder,
    WorkError for two folders of one split.
    """
    typed = Path(text).expanduser()
    if not typed.is_dir():
        raise RequestError(f'There is no folder "{text}".')
    root = published(typed)
    folders: dict[str, Path] = {}
    for entry in visible_entries(root):
        split = split_of(entry.name)
        if split is None or not entry.is_dir():
            continue
        if split in folders:
            raise WorkError(f"{root} holds both {folders[split].name}/ and {entry.name}/; keep one of them.")
        folders[split] = Path(entry.path)
    found, entries = dict[str, SplitPictures](), list[str]()
    for split in (name for name in SPLITS if name in folders):
        rows = [each for each in files_below(str(folders[split])) if each[0].lower().endswith(EXTENSIONS)]
        paths = Paths(root, [os.path.relpath(path, root) for path, _ in rows])
        found[split] = SplitPictures(paths, np.full(len(rows), NO_CLASS, dtype=np.int64), encoded=paths)
        entries += [f"{split}\t{paths.inside(place)}\t{size}" for place, (_, size) in enumerate(rows)]
    if not found:
        raise RequestError(f"{root} has no folder train/, val/ or test/; give the folder that holds them.")
    return found, fingerprint((), entries)
