"""The book: a folder with one document for each finished claim, and the runs that they share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from cardinet.base.documents import to_json
from cardinet.base.files import write_atomic
from cardinet.base.schemas import Document, Seconds, read_document
from cardinet.base.version import __version__
from cardinet.reproduce.claim import Claim
from cardinet.reproduce.lab import Laboratory
from cardinet.reproduce.rules import Outcome, Verdict
from cardinet.runs.environment import versions


class Finished(Document):
    """The document of a finished claim. `design` is the hash of its rule, arms and settings."""

    format: int = 1
    claim: str
    scale: str
    source: str
    rule: str
    design: str
    seeds: tuple[int, ...]
    samples: dict[str, tuple[float, ...]]
    outcome: Outcome
    reasons: tuple[str, ...]
    seconds: Seconds
    versions: dict[str, str]

    @property
    def verdict(self) -> Verdict:
        return Verdict(self.outcome, self.reasons)


def design(claim: Claim, lab: Laboratory) -> str:
    """The hash of all that a verdict depends on beside the versions: a changed rule or arm makes a claim run again."""
    arms = {name: lab.settings(arm, seed=0) for name, arm in lab.arms.items()}
    about = [claim.rule.sentence(), claim.experiment, arms, lab.scale.settings["recipe"], lab.source, lab.seeds]
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()


class Book:
    """The folder of one scale."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def finished(self, claim: Claim) -> Finished | None:
        """The document of a claim, if it was run; raises WorkError if the document is damaged."""
        file = self._file(claim)
        return read_document(file, Finished) if file.exists() else None

    def write(
        self, claim: Claim, lab: Laboratory, samples: Mapping[str, tuple[float, ...]], seconds: float
    ) -> Finished:
        """Judge the values of a claim, and keep them."""
        verdict = claim.rule.verdict(samples)
        found = Finished(
            claim=claim.id,
            scale=lab.scale.name,
            source=lab.source,
            rule=claim.rule.sentence(),
            design=design(claim, lab),
            seeds=lab.seeds,
            samples=dict(samples),
            outcome=verdict.outcome,
            reasons=verdict.reasons,
            seconds=seconds,
            versions={"cardinet": __version__, **versions()},
        )
        file = self._file(claim)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, to_json(found.model_dump(mode="json")))
        return found

    def _file(self, claim: Claim) -> Path:
        return self.path / "claims" / f"{claim.id}.json"
