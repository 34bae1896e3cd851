"""The usual names of folders and files of a split, and the files that mark a saved data set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from cardinet.base.errors import WorkError

SPLIT_LIST = "dataset_dict.json"
FILE_LIST = "state.json"
"""The files that `save_to_disk` of Hugging Face's library writes: for several splits, and in the folder of one."""

WORDS = {
    "train": ("train", "training", "trn", "trainset", "trainingset"),
    "validation": ("val", "valid", "validation", "dev", "development", "eval", "evaluation", "valset", "validset"),
    "test": ("test", "testing", "tst", "testset", "holdout"),
}
FILLERS = {"set", "images", "image", "imgs", "img", "pictures", "data", "dataset", "split", "seg", "jpg", "png"}
"""Words beside the split's name that mean nothing: seg_train, test_set, Training-Images."""
_SPLITS = {word: split for split, words in WORDS.items() for word in words}


def split_of(name: str) -> str | None:
    """The split ("train", "validation" or "test") in a folder's name, in upper or lower case; None without one."""
    words = [word for word in re.split(r"[-_ .]+", name.casefold()) if word and word not in FILLERS]
    if words == ["hold", "out"]:
        words = ["holdout"]
    return _SPLITS.get(words[0]) if len(words) == 1 else None


def split_of_file(name: str) -> str | None:
    """The split at the beginning of a file name such as train-00000-of-00004.parquet; None without one.

    Of a name that begins with another word it is the only split that a word says, as in imagenet1k-train-0000.tar.
    """
    return _SPLITS.get(_word(name).casefold())


def _word(name: str) -> str:
    """The word of a file name that says its split; empty without one."""
    words = re.findall(r"[^\W\d_]+", name.rpartition(".")[0] or name)
    said = [word for word in words if word.casefold() in _SPLITS]
    return said[0] if said and (said[0] == words[0] or len(said) == 1) else ""


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` of Hugging Face's library wrote this folder."""
    return (folder / SPLIT_LIST).is_file() or (folder / FILE_LIST).is_file()


def files_by_split(root: str, files: Sequence[PurePath]) -> tuple[dict[str, list[int]], list[int]]:
    """The places of the files of each split, and those of files of no split.

    A file belongs to the split in its own name, else to the one in the name of its folder. Raises WorkError if the
    files below `root` have two names of one split.
    """
    found: dict[str, list[int]] = {}
    names: dict[str, str] = {}
    without: list[int] = []
    for place, file in enumerate(files):
        by_file = split_of_file(file.name)
        split = by_file or split_of(file.parent.name)
        if split is None:
            without.append(place)
            continue
        name = (_word(file.name) if by_file else file.parent.name).casefold()
        if names.setdefault(split, name) != name:
            raise WorkError(f"{root} holds both {names[split]} and {name} files for {split}; keep one of them.")
        found.setdefault(split, []).append(place)
    return found, without
