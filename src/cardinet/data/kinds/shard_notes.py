"""What is worth knowing about the shards of a source: their number and sizes, and whether they are sorted by class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cardinet.base.amounts import amount
from cardinet.data.findings import Finding
from cardinet.data.labelling import labelling_of
from cardinet.data.shards import shard_of_each
from cardinet.data.source_listing import SplitPictures

SORTED = 0.5
"""Shards are sorted if they hold fewer than this share of the classes that shards in random order would hold."""


def shard_notes(parts: Mapping[str, SplitPictures], classes: int, together: int) -> list[Finding]:
    """Notes on the shards of each split, of which training shuffles `together` at a time."""
    found = []
    for split, part in parts.items():
        shards = shard_of_each(part.encoded)
        if shards is None or not len(part):
            continue
        used, counts = np.unique(shards, return_counts=True)
        sizes = " to ".join(f"{count:,}" for count in dict.fromkeys((int(counts.min()), int(counts.max()))))
        detail = f"{amount(len(used), 'shard')} of {sizes} samples"
        found.append(Finding(f"the {split} samples", split, "shards", detail, bad=False))
        if split != "train" or len(used) <= together or classes < 2:
            continue
        rows, labels = labelling_of(part.labels).pairs(part.labels)
        held = np.unique(shards[rows].astype(np.int64) * classes + labels)
        mean = len(held) / len(used)
        drawn = np.bincount(shards[rows], minlength=int(used.max()) + 1)[used]
        expected = float(np.mean(classes * (1.0 - (1.0 - 1.0 / classes) ** drawn)))
        if mean < SORTED * expected:
            detail = (
                f"a shard holds {mean:.1f} of the {classes:,} classes (in random order {expected:.1f}), so "
                f"batches from {together} shards are uneven; shuffle before writing, or raise data.shuffle_shards"
            )
            found.append(Finding(f"the {split} samples", split, "sorted-shards", detail, bad=False))
    return found
