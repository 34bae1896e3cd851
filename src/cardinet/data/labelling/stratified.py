"""Divide pictures with several labels into parts that are alike in their labels.

Iterative stratification of Sechidis, Tsoumakas and Vlahavas 2011 ("On the stratification of multi-label data", ECML
PKDD 2011, Algorithm 1): rare labels are dealt first, because later nothing could mend their proportions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cardinet.base.randomness import permutation
from cardinet.data.labelling.labelling import Labels, Rows

_STREAM = 3_000_003  # differs from the streams of the splits and folds of pictures with one label


def dealt(labels: Labels, shares: Sequence[float], seed: int) -> Rows:
    """The part of each picture, (N,), for labels (N, classes) and the share of each part, which sum to 1.

    The label with the fewest remaining pictures is dealt next: each of them goes to the part that wants this label
    most, of equal ones to the one that wants most pictures, then to the first one (the paper draws it). Pictures
    without a label come last, and go where most pictures are wanted. The order of the pictures is drawn from the seed.
    A part with the share 0 gets nothing.
    """
    count, order = len(labels), permutation(seed, _STREAM, len(labels))
    whole = labels.astype(np.int64)
    wanted = np.where(np.array(shares) > 0, np.array(shares) * count, -np.inf)
    wanted_labels = np.array(shares)[:, None] * whole.sum(0)
    parts, rest = np.full(count, -1, np.int64), whole.sum(0)

    def deal(row: int, wish: Rows) -> None:
        best = np.flatnonzero(wish == wish.max())
        part = best[wanted[best].argmax()]
        parts[row] = part
        wanted[part] -= 1
        wanted_labels[part] -= whole[row]
        np.subtract(rest, whole[row], out=rest)

    while rest.any():
        label = int(np.where(rest > 0, rest, count + 1).argmin())
        for row in order[(parts[order] < 0) & (whole[order, label] > 0)]:
            deal(int(row), np.where(np.isinf(wanted), -np.inf, wanted_labels[:, label]))
    for row in order[parts[order] < 0]:
        deal(int(row), wanted)
    return parts
