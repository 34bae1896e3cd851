"""ImageNet as it is published: synset folders for training, and a validation set with or without folders."""

from __future__ import annotations

import re
from pathlib import Path

from cardinet.base.amounts import amount
from cardinet.base.errors import RequestError, WorkError
from cardinet.data.kinds.class_folders import TINY_IMAGENET, Scan, from_scans, scan, visible_entries
from cardinet.data.kinds.imagenet_labels import validation_synsets
from cardinet.data.kinds.split_names import split_of
from cardinet.data.source_listing import Listing

_KAGGLE = Path("ILSVRC/Data/CLS-LOC")
_NUMBERED = re.compile(r"ILSVRC2012_val_(\d{8})\.jpe?g", re.IGNORECASE)


def list_imagenet(text: str) -> Listing:
    """`PATH/train` with a folder for each synset, and `PATH/val`, with such folders or flat (also Kaggle's layout).

    Both may have any name that `split_of` knows.

    The pictures of a flat val/ (ILSVRC2012_val_00000001.JPEG ...) get their synsets from a file beside them; see
    `validation_synsets` for which files do. The published test pictures have no labels and are not read;
    `pictures_in_splits` gives them for a prediction. Raises RequestError for a missing path or train/, WorkError for
    two folders of one split and if the labels of val/ are unknown.
    """
    typed = Path(text).expanduser()
    if not typed.is_dir():
        raise RequestError(f'There is no folder "{text}".')
    if (typed / "val" / TINY_IMAGENET).is_file():
        raise RequestError(f"{typed} is Tiny ImageNet; write tiny-imagenet:{text}.")
    root = published(typed)
    folders = _split_folders(root)
    if "train" not in folders:
        raise RequestError(f"{root} has no folder train/; give the folder that holds ImageNet's train/ and val/.")
    scans = {"train": scan(root, folders["train"])}
    if val := folders.get("validation"):
        foldered = any(entry.is_dir() for entry in visible_entries(val))
        scans["validation"] = scan(root, val) if foldered else flat_scan(root, val, typed)
    return from_scans(root, scans, unsplit=False)


def published(typed: Path) -> Path:
    """The folder that holds train/ and val/: the one that was given, or the one inside of it in Kaggle's layout."""
    return typed / _KAGGLE if (typed / _KAGGLE).is_dir() else typed


def _split_folders(root: Path) -> dict[str, Path]:
    """The folders for training and validation by split. Raises WorkError for two folders of one split."""
    found: dict[str, Path] = {}
    for entry in visible_entries(root):
        split = split_of(entry.name)
        if split is None or split == "test" or not entry.is_dir():  # the test pictures have no labels
            continue
        if split in found:
            raise WorkError(f"{root} holds both {found[split].name}/ and {entry.name}/; keep one of them.")
        found[split] = Path(entry.path)
    return found


def flat_scan(root: Path, val: Path, typed: Path) -> Scan:
    """The pictures of a flat val/ by synset. Raises WorkError if the synset of a picture is unknown."""
    synsets = validation_synsets([root, val, typed, typed.parent])
    result = Scan(val)
    unknown = []
    for entry in visible_entries(val, result.system):
        match = _NUMBERED.fullmatch(entry.name)
        if match is None:
            result.ignore(entry.name)
        elif int(match[1]) not in synsets.by_number:
            unknown.append(entry.name)
        else:
            pictures = result.pictures.setdefault(synsets.by_number[int(match[1])], [])
            pictures.append((f"{val.name}/{entry.name}", entry.stat().st_size))
    if unknown:
        raise WorkError(
            f"{synsets.file} has no label for {amount(len(unknown), 'picture')} of {val.name}/, the first one "
            f"{unknown[0]}."
        )
    return result
