"""The synsets of ImageNet's flat validation pictures, from the files that are published for them.

Three numberings of the 1,000 classes are in use (the devkit's ids, the sorted synsets from 0, the sorted
synsets from 1), and a file of bare numbers does not say which it uses. Bare numbers are therefore read from the
devkit's ground-truth file alone, and only with the devkit's own table of ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cardinet.base.documents import read_lines
from cardinet.base.errors import WorkError

GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
SOLUTION = "LOC_val_solution.csv"
META = "meta.mat"
TABLE = "map_clsloc.txt"
_PAIR = re.compile(r"(?:\S*/)?ILSVRC2012_val_(\d{8})(?:\.jpe?g)?[\s,]+(n\d{8})\b.*", re.IGNORECASE)
_ID_ROW = re.compile(r"(n\d{8})\s+(\d{1,7})\b.*", re.ASCII)
_ID = re.compile(r"[0-9]{1,7}")


@dataclass(frozen=True)
class Synsets:
    """The synset of each validation picture by its number, and the file that states it."""

    file: Path
    by_number: dict[int, str]


def validation_synsets(folders: Iterable[Path]) -> Synsets:
    """Look in the folders and their devkit folders, in this order, for

    1. a text file of lines `ILSVRC2012_val_00000001.JPEG n01751748`, or Kaggle's LOC_val_solution.csv;
    2. the devkit's ILSVRC2012_validation_ground_truth.txt (line n: the id of picture n) with the devkit's
       meta.mat, or with a table of lines `n02119789 1 kit_fox` (map_clsloc.txt), which give each id's synset.

    Raises WorkError, with the files found and missing, if neither exists.
    """
    places = [place for folder in dict.fromkeys(folders) for place in _with_devkits(folder)]
    for place in places:
        for file in [place / SOLUTION, *sorted(place.glob("*.txt"))]:
            if file.is_file() and (pairs := read_pairs(file)):
                return Synsets(file, pairs)
    truth = next((place / GROUND_TRUTH for place in places if (place / GROUND_TRUTH).is_file()), None)
    if truth is None:
        raise WorkError(
            f"{places[0]}/val is flat and no file beside it says which synset each picture shows; add {SOLUTION}, "
            f'a text file of lines "ILSVRC2012_val_00000001.JPEG n01751748", or {GROUND_TRUTH} '
            "with the devkit's meta.mat."
        )
    return Synsets(truth, _from_ground_truth(truth, places))


def _with_devkits(folder: Path) -> list[Path]:
    kits = sorted(kit for kit in folder.glob("*devkit*") if kit.is_dir())
    return [folder, *(place for kit in kits for place in (kit / "data", kit) if place.is_dir())]


def read_pairs(file: Path) -> dict[int, str]:
    """Picture number -> synset from a file of pairs; {} where its first lines are something else."""
    found: dict[int, str] = {}
    with open(file, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines):
            match = _PAIR.fullmatch(line.strip())
            if match is not None:
                found[int(match[1])] = match[2].lower()
            elif number and line.strip():  # the first line may be a header
                if not found:
                    return {}
                raise WorkError(f'{file}, line {number + 1}: "{line.strip()[:60]}" is not a picture with its synset.')
    return found


def _from_ground_truth(truth: Path, places: list[Path]) -> dict[int, str]:
    synset_of = _ids(places)
    if synset_of is None:
        raise WorkError(
            f"{truth} gives ids in the devkit's own order, which is not the order of the synsets' names; put the "
            "devkit's meta.mat (or map_clsloc.txt) beside it. LOC_synset_mapping.txt and synset_words.txt "
            "do not have the ids."
        )
    by_number = {}
    for number, line in enumerate(" ".join(read_lines(truth)).split(), start=1):
        if not _ID.fullmatch(line) or int(line) not in synset_of:
            raise WorkError(f'{truth}, line {number}: "{line[:20]}" is not an id of a class.')
        by_number[number] = synset_of[int(line)]
    return by_number


def _ids(places: list[Path]) -> dict[int, str] | None:
    """ILSVRC2012 id -> synset by the first table found."""
    for place in places:
        if (place / META).is_file():
            return read_meta(place / META)
        if (place / TABLE).is_file():
            return read_table(place / TABLE)
    return None


def read_table(file: Path) -> dict[int, str]:
    """ILSVRC2012 id -> synset from lines `n02119789 1 kit_fox`. Raises WorkError when they are something else."""
    rows = [_ID_ROW.fullmatch(line.strip()) for line in read_lines(file) if line.strip()]
    synset_of = {int(row[2]): row[1] for row in rows if row is not None}
    in_order = [synset_of[number] for number in sorted(synset_of)]
    if len(synset_of) != len(rows) or set(synset_of) != set(range(1, len(rows) + 1)):
        raise WorkError(f"{file} is not the devkit's table of lines `n02119789 1 kit_fox` with the ids from 1 on.")
    if len(rows) > 1 and in_order == sorted(in_order):
        raise WorkError(
            f"{file} numbers the synsets in the order of their names, which is not the order of the devkit's ids."
        )
    return synset_of


def read_meta(file: Path) -> dict[int, str]:
    """ILSVRC2012 id -> synset from the devkit's meta.mat. Raises WorkError when it is something else."""
    from scipy.io import loadmat  # scipy comes with scikit-learn, which is a dependency

    try:
        rows = loadmat(str(file), squeeze_me=True)["synsets"]
        return {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}
    except Exception as error:  # scipy raises many kinds at damaged files
        raise WorkError(f"{file} is not the devkit's meta.mat ({error}).") from error
