"""Every claim runs from its trainings to its page, with trainings of three steps and timings of a few rounds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import get_args

import pytest
from markupsafe import escape

from cardinet.measure import timing
from cardinet.report.book_page import book_page
from cardinet.reproduce import functions
from cardinet.reproduce.book import Book
from cardinet.reproduce.claim import Claim
from cardinet.reproduce.claims import claims
from cardinet.reproduce.job import reproduce
from cardinet.reproduce.request import Prepared, Request, laboratory
from cardinet.reproduce.rules import Outcome

TINY = {"training.length": "3 steps", "training.log_every": "1 steps", "data.limit": 40}
CLAIMS = dict(claims())


def tiny(claim: Claim) -> Claim:
    """The claim with arms that train for three steps."""
    arms = {
        name: dataclasses.replace(arm, settings={**arm.settings, **TINY}) for name, arm in claim.arms("minutes").items()
    }
    return dataclasses.replace(claim, arms=lambda scale: arms)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One book for all claims, so that they share trainings."""
    return tmp_path_factory.mktemp("book")


@pytest.mark.long
@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_runs_to_its_verdict_and_page(name: str, book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "ROUNDS", 2)
    monkeypatch.setattr(timing, "LEAST", 2)
    claim = tiny(CLAIMS[name])
    request = Request(names=(name,), out=book, seeds=1)
    lab = laboratory(claim, request, lambda what, done, total: None)
    assert list(lab.faults()) == []
    [(_, found)] = reproduce(Prepared(request, ((claim, lab),)))
    assert found.outcome in get_args(Outcome)
    assert found.reasons
    assert set(claim.places) <= set(found.samples)
    assert set(claim.bars or ()) <= set(found.samples)
    page = book_page([(claim, found)], "minutes")
    for part in (*found.samples, *found.reasons):
        assert str(escape(part)) in page
    assert Book(book).finished(claim, lab) == found
