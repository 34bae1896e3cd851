"""The parity proof: what it measures, and that it leaves both networks alone."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from cardinet.base.errors import RequestError
from cardinet.networks.builder import build
from cardinet.networks.registry import find
from cardinet.rewrite.forms import to_form
from cardinet.rewrite.proof import Proof, prove

SPEC = find("resnext11_8x16d_digits").spec
PIXELS = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(3))


def test_forms_are_proven() -> None:
    torch.manual_seed(0)
    network = build(SPEC)
    for form in ("a", "b"):
        proof = prove(network, to_form(network, form), PIXELS)
        assert proof.pictures == 5
        assert proof.float64 < 1e-14
        assert proof.float32 < 1e-5


def test_difference_is_relative_to_the_largest_logit() -> None:
    torch.manual_seed(0)
    network = build(SPEC)
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.fc.bias[3] += 0.5
        largest = float(copy.deepcopy(network).double().eval()(PIXELS.double()).abs().max())
    proof = prove(network, other, PIXELS)
    assert proof.float64 == pytest.approx(0.5 / largest, rel=1e-6)
    assert proof.float32 == pytest.approx(0.5 / largest, rel=1e-4)
    assert prove(network, network, PIXELS) == Proof(float64=0.0, float32=0.0, pictures=5)


def test_networks_stay_as_they_are() -> None:
    network, other = build(SPEC).train(), build(SPEC).to(torch.bfloat16).eval()
    before = copy.deepcopy((network.state_dict(), other.state_dict()))
    prove(network, other, PIXELS)
    for state, twin in zip(before, (network, other), strict=True):
        assert all(torch.equal(t, state[n]) and t.dtype == state[n].dtype for n, t in twin.state_dict().items())
    assert network.training
    assert not other.training


def test_broken_weights_prove_nothing() -> None:
    network = build(SPEC)
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.fc.weight[0, 0] = math.nan
    assert math.isnan(prove(network, other, PIXELS).float64)


def test_refusals() -> None:
    network = build(SPEC)
    with pytest.raises(RequestError, match="at least one picture"):
        prove(network, network, PIXELS[:0])
    with pytest.raises(RequestError, match=r"\(5, 10\) before, \(5, 3\) after"):
        prove(network, build(SPEC.but(num_classes=3)), PIXELS)
