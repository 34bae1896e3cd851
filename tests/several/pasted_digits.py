"""Pictures with several labels for tests: two scans of digits side by side, or one, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


def pasted(count: int, seed: int = 0, classes: int = 5) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Pictures uint8 (N, 10, 16) of up to two digits below `classes`, and their labels uint8 (N, classes)."""
    from sklearn.datasets import load_digits

    scans, digits = load_digits(return_X_y=True)
    few = np.flatnonzero(digits < classes)
    rng = np.random.default_rng(seed)
    pixels, labels = np.zeros((count, 10, 16), np.uint8), np.zeros((count, classes), np.uint8)
    for i in range(count):
        for place in range(2):
            if rng.random() < 0.75:
                which = rng.choice(few)
                pixels[i, 1:9, 8 * place : 8 * place + 8] = (scans[which].reshape(8, 8) * 15.9).astype(np.uint8)
                labels[i, digits[which]] = 1
    return pixels, labels


def table(folder: Path, count: int = 300, seed: int = 0, classes: int = 5) -> str:
    """A csv source of such pictures, with their labels in one column, separated by |."""
    pixels, labels = pasted(count, seed, classes)
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["file,labels"]
    for i in range(count):
        Image.fromarray(pixels[i]).save(folder / f"{i:04}.png")
        lines.append(f"{i:04}.png,{'|'.join(f'digit {k}' for k in np.flatnonzero(labels[i]))}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return f"csv:{folder / 'labels.csv'}"


LABELS: dict[str, Any] = {"data.labels": "list", "data.label_separator": "|"}
"""The settings of the pictures of `table`."""
