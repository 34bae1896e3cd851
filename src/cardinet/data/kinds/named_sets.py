"""Named sets that torchvision downloads: cifar10, cifar100, mnist, fashion-mnist, svhn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cardinet.base.cache import cache_folder
from cardinet.base.errors import WorkError
from cardinet.data.source_listing import Listing, Numbered, SplitPictures, fingerprint


@dataclass(frozen=True)
class Named:
    """torchvision's class, its arguments for each split, and whether mirrored pictures keep their class."""

    dataset: str
    flips: bool
    by_split: bool = False


SETS = {
    "cifar10": Named("CIFAR10", flips=True),
    "cifar100": Named("CIFAR100", flips=True),
    "mnist": Named("MNIST", flips=False),
    "fashion-mnist": Named("FashionMNIST", flips=True),
    "svhn": Named("SVHN", flips=False, by_split=True),
}


def list_named(name: str) -> Listing:
    """Train and test of a named set, downloaded once. Raises WorkError when the download fails."""
    row = SETS[name]
    parts = {}
    classes: tuple[str, ...] = ()
    for split in ("train", "test"):
        data = _download(name, row, split)
        pixels = _channels_first(np.asarray(data.data))
        labels = np.asarray(data.labels if row.by_split else data.targets, dtype=np.int64)
        names = getattr(data, "classes", None) or range(int(labels.max()) + 1)
        classes = tuple(str(text) for text in names)
        parts[split] = SplitPictures(Numbered(f"{name} {split} ", len(labels)), labels, pixels=pixels)
    blocks = [block for part in parts.values() for block in (part.labels.tobytes(), np.asarray(part.pixels).tobytes())]
    return Listing(classes, parts, fingerprint(classes, [], *blocks), flips=row.flips)


def _download(name: str, row: Named, split: str) -> Any:
    from torchvision import datasets

    folder = cache_folder("torchvision")
    choice = {"split": split} if row.by_split else {"train": split == "train"}
    try:
        return getattr(datasets, row.dataset)(str(folder), download=True, **choice)
    except (OSError, RuntimeError, EOFError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WorkError(
            f"{name} could not be downloaded to {folder} ({reason}); connect to the internet, put the set's files "
            "there as torchvision lays them out, or use parquet:PATH."
        ) from error


def _channels_first(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if pixels.ndim == 3:  # MNIST: (N, H, W)
        return np.ascontiguousarray(pixels[:, None], dtype=np.uint8)
    if pixels.shape[-1] == 3:  # CIFAR: (N, H, W, C)
        return np.asarray(pixels, dtype=np.uint8).transpose(0, 3, 1, 2)
    return np.asarray(pixels, dtype=np.uint8)
