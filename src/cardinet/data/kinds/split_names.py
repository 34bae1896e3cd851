"""What folders and files of a split are called."""

from __future__ import annotations

import re

WORDS = {
    "train": ("train", "training", "trn", "trainset", "trainingset"),
    "validation": ("val", "valid", "validation", "dev", "development", "eval", "evaluation", "valset", "validset"),
    "test": ("test", "testing", "tst", "testset", "holdout"),
}
FILLERS = {"set", "images", "image", "imgs", "img", "pictures", "data", "dataset", "split", "seg", "jpg", "png"}
"""Words that stand beside them and say nothing: seg_train, test_set, Training-Images."""
_SPLITS = {word: split for split, words in WORDS.items() for word in words}


def split_of(name: str) -> str | None:
    """The split ("train", "validation" or "test") that a folder is named for, in any case; None for another name."""
    words = [word for word in re.split(r"[-_ .]+", name.casefold()) if word and word not in FILLERS]
    if words == ["hold", "out"]:
        words = ["holdout"]
    return _SPLITS.get(words[0]) if len(words) == 1 else None


def split_of_file(name: str) -> str | None:
    """The split that the name of a file begins with, as train-00000-of-00004.parquet does; None for another name."""
    return _SPLITS.get(beginning(name).casefold())


def beginning(name: str) -> str:
    """The letters with which a name begins."""
    found = re.match(r"[^\W\d_]+", name)
    return found[0] if found else ""
