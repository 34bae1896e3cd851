"""The embedded default: 1,797 scans of handwritten digits, 8x8 pixels, from scikit-learn."""

from __future__ import annotations

import numpy as np

from cardinet.data.source_listing import Listing, Numbered, SplitPictures, fingerprint

TEST = 360
VALIDATION = 180


def list_digits(_: str) -> Listing:
    """The scans in their order: train, then 180 for validation, then 360 for test.

    The set is sorted by writer, so these cuts separate the writers of the splits; a random split would not. Values
    0..16 are scaled to 0..255. Mirrored digits are not digits.
    """
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    pixels = np.round(values * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    whole = SplitPictures(Numbered("scan ", len(labels)), labels.astype(np.int64), pixels=pixels)
    classes = tuple(str(digit) for digit in range(10))
    first, second = len(labels) - TEST - VALIDATION, len(labels) - TEST
    rows = np.arange(len(labels))
    parts = {
        "train": whole.take(rows[:first]),
        "validation": whole.take(rows[first:second]),
        "test": whole.take(rows[second:]),
    }
    return Listing(classes, parts, fingerprint(classes, [], pixels.tobytes(), whole.labels.tobytes()), flips=False)
