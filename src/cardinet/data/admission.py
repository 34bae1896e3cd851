"""Exclude bad pictures before training. None is replaced by another picture."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

import numpy as np

from cardinet.base.errors import WorkError
from cardinet.data.check import Progress, bad_pictures
from cardinet.data.data_settings import DataSettings
from cardinet.data.findings import Finding
from cardinet.data.source import Source, in_memory_splits

MOST = 20  # findings in one message


def admitted(source: Source, settings: DataSettings, progress: Progress | None = None) -> tuple[Source, list[Finding]]:
    """The source with only its usable pictures, and the findings on the others.

    With `on_bad_image = "fail"` it raises WorkError with the list if any picture is bad, with "skip" only if a class
    loses all its training pictures.
    """
    return admit(source, settings, bad_pictures(source, settings, progress))


def admit(source: Source, settings: DataSettings, findings: Sequence[Finding]) -> tuple[Source, list[Finding]]:
    """As `admitted`, with given findings on the pictures."""
    findings = [finding for finding in findings if finding.bad]
    if not findings:
        return source, []
    if settings.on_bad_image == "fail":
        more = [f"... and {len(findings) - MOST} more."] if len(findings) > MOST else []
        advice = "Repair or remove them (cardinet check-data lists all), or leave them out: --on-bad-image skip "
        advice += '(in Python on_bad_image="skip").'
        raise WorkError(*(finding.sentence() for finding in findings[:MOST]), *more, advice)
    return without_pictures(source, {finding.identity for finding in findings}, settings), findings


def without_pictures(source: Source, identities: Set[str], settings: DataSettings) -> Source:
    """The source without the pictures of these identities (`Finding.identity`). Small pictures are put in memory then.

    Raises WorkError for an identity that no picture has, and if a class loses all its training pictures.
    """
    keys: dict[str, set[str]] = {name: set() for name in source.splits}
    for identity in identities:
        split, _, key = identity.partition(":")
        keys.setdefault(split, set()).add(key)
    splits = {name: split.without(keys[name]) for name, split in source.splits.items()}
    if sum(map(len, source.splits.values())) - sum(map(len, splits.values())) != len(identities):
        known = {f"{name}:{split.names.key(i)}" for name, split in source.splits.items() for i in range(len(split))}
        raise WorkError(f"{min(identities - known)} should be skipped, but {source.text} holds no such picture.")
    if "train" in splits:
        labels, classes = source.splits["train"].labels, len(source.classes)
        counts = source.labelling.counts(splits["train"].labels, classes)
        before = source.labelling.counts(labels, classes)
        lost = [source.classes[i] for i in np.flatnonzero((counts == 0) & (before > 0))]
        if lost:
            raise WorkError(f"Without its bad pictures {', '.join(lost)} has no training picture left.")
    kept = {name: split for name, split in splits.items() if len(split)}
    return in_memory_splits(replace(source, splits=kept), settings)
