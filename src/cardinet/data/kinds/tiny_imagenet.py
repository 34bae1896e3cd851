"""Tiny ImageNet as it is published: 200 classes of pictures of 64 x 64 pixels."""

from __future__ import annotations

from pathlib import Path

from cardinet.base.amounts import amount
from cardinet.base.documents import read_lines
from cardinet.base.errors import RequestError, WorkError
from cardinet.data.kinds.class_folders import TINY_IMAGENET, Scan, from_scans, scan
from cardinet.data.source_listing import Listing


def list_tiny_imagenet(text: str) -> Listing:
    """`PATH/train/SYNSET/images/*.JPEG`, and `PATH/val/images/*.JPEG` with their synsets in val_annotations.txt.

    The published test pictures have no labels and are not read; `pictures_in_splits` gives them for a prediction.
    Raises RequestError if the path does not have this layout, WorkError if a picture of val/ has no synset.
    """
    root = Path(text).expanduser()
    if not (root / "train").is_dir() or not (root / "val" / TINY_IMAGENET).is_file():
        raise RequestError(
            f'"{text}" is not Tiny ImageNet as it is published: it needs train/SYNSET/images/ and val/{TINY_IMAGENET}.'
        )
    scans = {"train": scan(root, root / "train"), "validation": _validation(root)}
    return from_scans(root, scans, unsplit=False)


def _validation(root: Path) -> Scan:
    """The pictures of val/images by synset; the lines of the table are `PICTURE <tab> SYNSET <tab> a box`."""
    table = root / "val" / TINY_IMAGENET
    try:
        rows = [line.split("\t") for line in read_lines(table) if line.strip()]
        synsets = {row[0]: row[1] for row in rows}
    except IndexError:
        raise WorkError(f"{table} is not the table of Tiny ImageNet: a line of it has no tabs.") from None
    found = scan(root, root / "val")
    pictures = found.pictures.get("images", [])
    result = Scan(root / "val", ignored=found.ignored, unread=found.unread, system=found.system)
    unknown = [path for path, _ in pictures if Path(path).name not in synsets]
    if unknown:
        raise WorkError(
            f"{table} has no line for {amount(len(unknown), 'picture')} of val/images/, the first one {unknown[0]}."
        )
    for path, size in pictures:
        result.pictures.setdefault(synsets[Path(path).name], []).append((path, size))
    return result
