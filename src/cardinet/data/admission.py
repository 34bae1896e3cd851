"""The gate before training: no damaged picture passes, and none is replaced by another."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

import numpy as np

from cardinet.base.errors import WorkError
from cardinet.data.check import Progress, bad_pictures
from cardinet.data.findings import Finding
from cardinet.data.settings import DataSettings
from cardinet.data.source import Source, in_memory_splits

MOST = 20  # findings in one message


def admitted(source: Source, settings: DataSettings, progress: Progress | None = None) -> tuple[Source, list[Finding]]:
    """The source with usable pictures only, and the findings on those that were left out.

    With `on_bad_image = "fail"` raises WorkError with the list if there is any; with "skip" raises it only where
    a class has no training picture left.
    """
    return admit(source, settings, bad_pictures(source, settings, progress))


def admit(source: Source, settings: DataSettings, findings: Sequence[Finding]) -> tuple[Source, list[Finding]]:
    """As `admitted`, after these findings on its pictures."""
    findings = [finding for finding in findings if finding.bad]
    if not findings:
        return source, []
    if settings.on_bad_image == "fail":
        more = [f"... and {len(findings) - MOST} more."] if len(findings) > MOST else []
        advice = "Repair or remove them (cardinet check-data lists all), or leave them out: --on-bad-image skip."
        raise WorkError(*(finding.sentence() for finding in findings[:MOST]), *more, advice)
    return left_out(source, {finding.identity for finding in findings}, settings), findings


def left_out(source: Source, identities: Set[str], settings: DataSettings) -> Source:
    """The source without these pictures, given as `Finding.identity`; small ones are then put in memory.

    Raises WorkError for an identity that is not a picture's, and where a class has no training picture left.
    """
    keys: dict[str, set[str]] = {name: set() for name in source.splits}
    for identity in identities:
        split, _, key = identity.partition(":")
        keys.setdefault(split, set()).add(key)
    splits = {name: split.without(keys[name]) for name, split in source.splits.items()}
    if sum(map(len, source.splits.values())) - sum(map(len, splits.values())) != len(identities):
        known = {f"{name}:{split.names.key(i)}" for name, split in source.splits.items() for i in range(len(split))}
        raise WorkError(f"{min(identities - known)} is to be left out, but {source.text} holds no such picture.")
    if "train" in splits:
        counts = np.bincount(splits["train"].labels, minlength=len(source.classes))
        before = np.bincount(source.splits["train"].labels, minlength=len(source.classes))
        lost = [source.classes[i] for i in np.flatnonzero((counts == 0) & (before > 0))]
        if lost:
            raise WorkError(f"Without its bad pictures {', '.join(lost)} has no training picture left.")
    kept = {name: split for name, split in splits.items() if len(split)}
    return in_memory_splits(replace(source, splits=kept), settings)
