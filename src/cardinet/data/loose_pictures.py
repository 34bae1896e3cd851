"""Pictures without classes, such as one photograph: files, patterns, and folders without class folders."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cardinet.data.kinds.class_folders import holds_classes
from cardinet.data.labelling.one import NO_CLASS
from cardinet.data.picture_formats import EXTENSIONS
from cardinet.data.picture_inputs import is_pattern, picture_inputs
from cardinet.data.source import Source, Split
from cardinet.data.source_listing import Paths, fingerprint
from cardinet.data.splitting import WHOLE


def are_loose(texts: Sequence[str]) -> bool:
    """Whether these name pictures without classes: several texts, a file, a pattern, or a folder without class folders.

    One text that is the name of a picture is loose too if there is no such file.
    """
    if len(texts) != 1:
        return len(texts) > 1
    (text,) = texts
    if os.path.isdir(text):
        return not holds_classes(text)
    return os.path.isfile(text) or is_pattern(text) or text.lower().endswith(EXTENSIONS)


def loose_source(texts: Sequence[str], pixel_limit: int) -> Source:
    """A source without classes, with one split, "all": each picture once, in the order of the texts.

    Its text has all texts, quoted as for a shell. Raises RequestError with every text that names no picture.
    """
    files = list(dict.fromkeys(picture.name for picture in picture_inputs(texts)))
    names = _Files(files)
    labels = np.full(len(files), NO_CLASS, dtype=np.int64)
    split = Split(WHOLE, labels, names, None, names, len(files), pixel_limit)
    sizes = [f"{file}\t{os.path.getsize(file)}" for file in files]
    return Source(
        text=shlex.join(texts),
        classes=(),
        splits={WHOLE: split},
        fingerprint=fingerprint((), sizes),
        channels=3,
        size=None,
        flips=True,
        small=False,
        ignored=0,
        unsplit=True,
    )


class _Files(Paths):
    """Paths as a user typed them."""

    def __init__(self, files: Sequence[str]) -> None:
        super().__init__(Path(), files)

    def at(self, index: int) -> str:
        return os.fsdecode(bytes(self.block[index]))
