"""The table of claims: every claim has a rule, its arms can be built at every scale, and listing them is instant."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import pytest

from cardinet.measure.counts import count_spec
from cardinet.reproduce.claim import Arms, errors_in_test
from cardinet.reproduce.claims import claims
from cardinet.reproduce.lab import described_network
from cardinet.reproduce.scales import SCALE_NAMES

CLAIMS = dict(claims())
EXPECTED = 43


def test_how_many_claims_there_are() -> None:
    assert len(CLAIMS) == EXPECTED


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_says_what_it_is(name: str) -> None:
    claim = CLAIMS[name]
    assert claim.statement.endswith(".")
    assert claim.experiment.endswith(".")
    assert claim.rule_sentence().endswith(".")
    assert claim.paper
    assert set(claim.minutes) <= set(SCALE_NAMES)
    assert claim.minutes["minutes"] <= 5


@pytest.mark.parametrize("name", CLAIMS)
def test_every_arm_is_a_network_at_every_scale(name: str) -> None:
    for scale in CLAIMS[name].minutes:
        for arm in CLAIMS[name].arms(scale).values():
            assert described_network(arm).num_classes > 1


@dataclass(frozen=True)
class Equality:
    """The largest relative differences of a claim's networks: of their MACs and of their parameters."""

    macs: float | None = None
    parameters: float | None = None


EQUAL = {
    "cardinality-beats-width-and-depth": Equality(macs=0.05),
    "cardinality-at-equal-cost": Equality(macs=0.08, parameters=0.1),
    "merge-and-run-ranks-first": Equality(macs=0.05, parameters=0.05),
    "more-branches-are-better": Equality(parameters=0.1),
    "more-fusions-are-better": Equality(macs=0.1, parameters=0.1),
    "shallow-helps-deep": Equality(macs=0.1, parameters=0.1),
    "shortcuts-matter": Equality(macs=0, parameters=0),
    "squeeze-excite-gains": Equality(macs=0.005, parameters=0.05),
    "split-attention-gains": Equality(macs=0.01, parameters=0.1),
    "selective-kernels-gain": Equality(macs=0.05, parameters=0.1),
    "unit-orders": Equality(macs=0, parameters=0.01),
    "fractal-columns": Equality(macs=0, parameters=0),
    "training-effective-paths": Equality(macs=0, parameters=0),
    "stochastic-depth-mends": Equality(macs=0, parameters=0),
    "dropout-in-wide-units": Equality(macs=0, parameters=0),
}
"""Claims that compare networks of about one cost."""


def macs_and_parameters(arms: Arms, side: int) -> dict[str, tuple[int, int]]:
    """The exact MACs and parameters of each arm, for pictures with this side."""
    counted = {name: count_spec(described_network(arm), side) for name, arm in arms.items()}
    return {name: (counts.macs, counts.params) for name, counts in counted.items()}


@pytest.mark.parametrize("name", EQUAL)
def test_networks_of_equal_cost_are_equal(name: str) -> None:
    allowed = EQUAL[name]
    for scale in CLAIMS[name].minutes:
        counts = macs_and_parameters(CLAIMS[name].arms(scale), 32).values()
        macs, parameters = zip(*counts, strict=True)
        for values, most in ((macs, allowed.macs), (parameters, allowed.parameters)):
            assert most is None or max(values) <= (1 + most) * min(values), (scale, values)


def test_half_the_cost_is_little_more_than_half() -> None:
    for scale in ("minutes", "hour", "gpu"):
        (narrow, _), (deep, _) = macs_and_parameters(CLAIMS["half-the-cost"].arms(scale), 32).values()
        assert 0.5 < narrow / deep < (0.65 if scale == "minutes" else 0.57)


def test_listing_the_claims_imports_no_torch() -> None:
    code = "import sys; from cardinet.reproduce.claims import claims; claims(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_places_are_those_of_the_arms() -> None:
    drawn = {name: claim for name, claim in CLAIMS.items() if claim.places}
    assert len(drawn) == 8
    for claim in drawn.values():
        assert claim.axis
        arms = claim.arms("minutes")
        assert claim.measure is not errors_in_test or claim.places.keys() == arms.keys()
