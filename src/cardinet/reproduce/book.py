"""The book: a folder with one document for each finished claim, and the runs that they share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from cardinet.base.documents import to_json
from cardinet.base.errors import RequestError, WorkError
from cardinet.base.files import write_atomic
from cardinet.base.schemas import Document, Seconds, read_document
from cardinet.base.version import __version__
from cardinet.reproduce.claim import Claim
from cardinet.reproduce.lab import Laboratory
from cardinet.reproduce.rules import Outcome
from cardinet.runs.environment import versions


class Finished(Document):
    """The document of a finished claim. `design` is the hash of its rule, its arms and their settings."""

    format: Literal[1] = 1
    claim: str
    scale: str
    source: str
    rule: str
    design: str
    seeds: tuple[int, ...]
    samples: Annotated[dict[str, Annotated[tuple[float, ...], Field(min_length=1)]], Field(min_length=1)]
    outcome: Outcome
    reasons: tuple[str, ...]
    seconds: Seconds
    versions: dict[str, str]


def design(claim: Claim, lab: Laboratory) -> str:
    """The hash of all that a verdict depends on beside pictures, seeds and versions."""
    each = {"data.source", "machine.seed"}
    arms = {
        name: {key: value for key, value in lab.settings(arm, seed=0).items() if key not in each}
        for name, arm in lab.arms.items()
    }
    about = [claim.rule_sentence(), claim.experiment, arms, lab.scale.settings["recipe"]]
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()


class Book:
    """The folder of one scale."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def finished(self, claim: Claim, lab: Laboratory) -> Finished | None:
        """The document of a claim, if it was run by its present rule and arms, with any pictures and seeds.

        Raises WorkError if the document is damaged, RequestError if the book is of another scale.
        """
        file = self._file(claim)
        if not file.exists():
            return None
        fix = f"Delete it to try {claim.id} again."
        try:
            found: Finished = read_document(file, Finished)
        except WorkError as error:
            raise WorkError(*(f"{finding} {fix}" for finding in error.findings)) from None
        if found.scale != lab.scale.name:
            raise RequestError(f"{self.path} is a book of the scale {found.scale}; give --out another folder.")
        if found.design != design(claim, lab):
            return None
        if empty := [name for name in {*claim.places, *(claim.bars or ())} if not found.samples.get(name)]:
            raise WorkError(f'{file} is damaged: it has no values of "{min(empty)}". {fix}')
        return found

    def outdated(self, claim: Claim, lab: Laboratory) -> bool:
        """Whether the document of a claim is of another rule, other arms, pictures or seeds. Raises as `finished`."""
        found = self.finished(claim, lab)
        if found is None:
            return self._file(claim).exists()
        return bool(lab.arms) and (found.source, found.seeds) != (lab.source, lab.seeds)

    def write(
        self, claim: Claim, lab: Laboratory, samples: Mapping[str, tuple[float, ...]], seconds: float
    ) -> Finished:
        """Judge the values of a claim, and keep them."""
        verdict = claim.verdict(samples)
        found = Finished(
            claim=claim.id,
            scale=lab.scale.name,
            source=lab.source,
            rule=claim.rule_sentence(),
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
