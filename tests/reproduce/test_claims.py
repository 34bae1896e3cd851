"""The table of claims: every claim has a rule, its arms can be built at every scale, and listing them is instant."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cardinet.networks.registry import find
from cardinet.reproduce.claims import claims
from cardinet.reproduce.lab import macs_and_parameters
from cardinet.reproduce.scales import SCALE_NAMES

CLAIMS = dict(claims())
EXPECTED = 33


def test_how_many_claims_there_are() -> None:
    assert len(CLAIMS) == EXPECTED


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_says_what_it_is(name: str) -> None:
    claim = CLAIMS[name]
    assert claim.statement.endswith(".")
    assert claim.experiment.endswith(".")
    assert claim.rule.sentence().endswith(".")
    assert claim.paper
    assert set(claim.minutes) <= set(SCALE_NAMES)
    assert claim.minutes["minutes"] <= 5


@pytest.mark.parametrize("name", CLAIMS)
def test_every_arm_is_a_network_at_every_scale(name: str) -> None:
    for scale in CLAIMS[name].minutes:
        for arm in CLAIMS[name].arms(scale).values():
            spec = find(arm.network).spec if isinstance(arm.network, str) else arm.network
            assert spec.but(**arm.delta).num_classes > 1


EQUAL = {
    "cardinality-beats-width-and-depth": 0.05,
    "cardinality-at-equal-cost": 0.08,
    "merge-and-run-ranks-first": 0.05,
}
"""Claims that compare networks of equal MACs, with the largest relative difference."""


@pytest.mark.parametrize("name", EQUAL)
def test_networks_of_equal_cost_have_equal_macs(name: str) -> None:
    for scale in ("minutes", "hour"):
        macs = [macs for macs, _ in macs_and_parameters(CLAIMS[name].arms(scale), 8).values()]
        assert max(macs) <= (1 + EQUAL[name]) * min(macs)


def test_listing_the_claims_imports_no_torch() -> None:
    code = "import sys; from cardinet.reproduce.claims import claims; claims(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_places_are_those_of_the_arms() -> None:
    drawn = {name: claim for name, claim in CLAIMS.items() if claim.places}
    assert len(drawn) == 4
    for claim in drawn.values():
        assert claim.axis
        assert claim.places.keys() == claim.arms("minutes").keys()
