"""Describe a run's pictures for the report, before the run begins."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
from PIL import Image

from cardinet.data.batches import TrainBatches
from cardinet.data.findings import Finding
from cardinet.data.thumbnail import thumbnail
from cardinet.runs.data_sheet import DataSheet, FindingGroup, ShownPicture
from cardinet.train.task import Task

SHOWN = 24
EXAMPLES = 5


def make_data_sheet(task: Task, findings: Sequence[Finding]) -> DataSheet:
    """Class counts, findings by kind (the bad ones first), and the first pictures of the first batch."""
    splits, classes = task.source.splits, len(task.source.classes)
    encoded = sum(len(split) for split in splits.values() if split.encoded is not None)
    left_out = sum(finding.bad for finding in findings)
    kinds = dict.fromkeys((finding.kind, finding.bad) for finding in sorted(findings, key=lambda found: not found.bad))
    return DataSheet(
        counts={name: tuple(split.labelling.counts(split.labels, classes).tolist()) for name, split in splits.items()},
        examined=encoded + left_out if encoded or findings else 0,
        findings=tuple(_group([f for f in findings if (f.kind, f.bad) == kind]) for kind in kinds),
        shown=_shown(task),
        folds=task.recipe.data.folds,
        fold=task.recipe.data.fold,
    )


def _group(findings: Sequence[Finding]) -> FindingGroup:
    first = findings[0]
    examples = tuple(f"{finding.key or finding.name}: {finding.detail}" for finding in findings[:EXAMPLES])
    return FindingGroup(kind=first.kind, bad=first.bad, count=len(findings), examples=examples)


def _shown(task: Task) -> tuple[ShownPicture, ...]:
    source = task.source
    batches = TrainBatches(
        source.splits["train"],
        task.preprocessing,
        task.recipe.augmentation,
        sampling=task.sampling,
        workers=0,
        device="cpu",
    )
    pixels, rows = batches.first(SHOWN)
    shown = []
    for picture, row in zip(pixels.permute(0, 2, 3, 1).numpy(), rows.tolist(), strict=True):
        grey = picture.shape[2] == 1
        small = thumbnail(Image.fromarray(np.ascontiguousarray(picture[:, :, 0] if grey else picture)))
        shown.append(
            ShownPicture(
                name=batches.split.names.key(row),
                label=source.labelling.words(batches.split.labels[row], source.classes),
                png=base64.b64encode(small.png).decode(),
                width=small.width,
                height=small.height,
            )
        )
    return tuple(shown)
