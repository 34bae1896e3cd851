"""What is wrong with the classes of a listing, or worth knowing about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cardinet.base.amounts import amount
from cardinet.data.findings import Finding
from cardinet.data.labelling import labelling_of
from cardinet.data.source_listing import SplitPictures


def class_problems(
    split: str, part: SplitPictures, classes: tuple[str, ...], unknown: Sequence[str], what: str = "files"
) -> list[Finding]:
    """Findings on classes that training lacks, labels outside the classes, and classes without a picture.

    `what` are the things that hold the labels, in the plural.
    """
    labels, labelling = part.labels, labelling_of(part.labels)
    if unknown:
        some = ", ".join(unknown[:5]) + (f", ... ({len(unknown):,})" if len(unknown) > 5 else "")
        detail = f"the train {what} do not have the classes {some}, so they cannot be learnt"
        return [Finding(f"the {split} {what}", split, "unknown-class", detail, bad=True)]
    wrong = labelling.wrong(labels, len(classes))
    if len(wrong):
        detail = (
            f"{amount(len(wrong), 'row')} with a label outside 0 to {len(classes) - 1}, "
            f"the first one {labels[wrong[0]]}"
        )
        return [Finding(part.names[int(wrong[0])], split, "wrong-label", detail, bad=True)]
    empty = np.flatnonzero(labelling.counts(labels, len(classes)) == 0)
    if not len(empty) or not len(labels):
        return []
    some = ", ".join(classes[i] for i in empty[:5]) + (f", ... ({len(empty):,})" if len(empty) > 5 else "")
    result = "cannot be learnt" if split == "train" else "are not measured"
    return [Finding(f"the {split} {what}", split, "empty-class", f"no picture of {some}; they {result}", bad=False)]


def count_problems(source: str, classes: tuple[str, ...], parts: dict[str, SplitPictures]) -> list[Finding]:
    """One class only, or a split without pictures."""
    problems = []
    if len(classes) < 2:
        only = f'only one class, "{classes[0]}"' if classes else "no class"
        problems.append(Finding(source, "train", "one-class", f"{only}; a classifier needs two or more", bad=True))
    for split, part in parts.items():
        if not len(part):
            problems.append(Finding(source, split, "no-pictures", f"the {split} split holds no pictures", bad=True))
    return problems
