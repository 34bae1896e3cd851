"""The parity proof: what it measures, that it leaves both networks alone, and that it catches a wrong rewrite."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError, WorkError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.networks.registry import find
from cardinet.rewrite import steps
from cardinet.rewrite.proof import difference, prove
from cardinet.rewrite.steps import Rewrite, Step

SPEC = find("resnext11_8x16d_digits").spec
PIXELS = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(3))


def pictures(channels: int) -> Mapping[str, Tensor]:
    assert channels == 1
    return {"random": PIXELS, "real": PIXELS[:2].abs()}


def test_forms_are_proven() -> None:
    torch.manual_seed(0)
    network = build(SPEC)
    for form in ("a", "b"):
        found = prove(network, Step("form", {"form": form}), pictures)
        assert isinstance(found.network, Classifier)
        assert found.network.spec.transform.form == form
        assert {kind: proof.pictures for kind, proof in found.proofs.items()} == {"random": 5, "real": 2}
        assert all(proof.float64 < 1e-14 and proof.float32 < 1e-5 for proof in found.proofs.values())
        assert found.to_document()["proofs"]["real"]["pictures"] == 2


def test_what_is_proven_in_float64_is_the_rewrite_and_not_the_rounding_of_its_weights() -> None:
    torch.manual_seed(0)
    found = prove(build(SPEC), Step("fold"), pictures).proofs["random"]
    assert found.float64 < 1e-13 < 1e-9 < found.float32 < 1e-5


def test_difference_is_relative_to_the_largest_logit() -> None:
    torch.manual_seed(0)
    network = build(SPEC)
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.get_parameter("fc.bias")[3] += 0.5
        largest = float(copy.deepcopy(network).double().eval()(PIXELS.double()).abs().max())
    assert difference(network, other, PIXELS, torch.float64) == pytest.approx(0.5 / largest, rel=1e-6)
    assert difference(network, other, PIXELS, torch.float32) == pytest.approx(0.5 / largest, rel=1e-4)
    assert difference(network, network, PIXELS, torch.float64) == 0


def test_networks_stay_as_they_are() -> None:
    network, other = build(SPEC).train(), build(SPEC).to(torch.bfloat16).eval()
    before = copy.deepcopy((network.state_dict(), other.state_dict()))
    difference(network, other, PIXELS, torch.float32)
    prove(network, Step("fold"), pictures)
    for state, twin in zip(before, (network, other), strict=True):
        assert all(torch.equal(t, state[n]) and t.dtype == state[n].dtype for n, t in twin.state_dict().items())
    assert network.training
    assert not other.training


def test_broken_weights_prove_nothing() -> None:
    network = build(SPEC)
    with torch.no_grad():
        network.get_parameter("fc.weight")[0, 0] = math.nan
    with pytest.raises(WorkError, match="differ by nan"):
        prove(network, Step("form", {"form": "b"}), pictures)


def test_a_rewrite_that_changes_the_function_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(network: nn.Module) -> nn.Module:
        twin = copy.deepcopy(network)
        with torch.no_grad():
            next(twin.parameters())[0] *= 1.001
        return twin

    monkeypatch.setitem(steps.REWRITES, "wrong", Rewrite(wrong))
    with pytest.raises(WorkError, match=r'"wrong" changed the function: on random pictures .* 1e-10 is allowed'):
        prove(build(SPEC), Step("wrong"), pictures)
    monkeypatch.setitem(steps.REWRITES, "wrong", Rewrite(wrong, limit=1))
    assert prove(build(SPEC), Step("wrong"), pictures).proofs["random"].float64 > 1e-6


def test_weights_that_are_no_numbers_in_float32_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """float64 is proven on a copy of its own; the network that is written is the one in float32."""

    def overflowing(network: nn.Module) -> nn.Module:
        twin = copy.deepcopy(network)
        with torch.no_grad():
            twin.get_parameter("fc.weight")[0, 0] *= 1e30
            twin.get_parameter("fc.weight")[0, 0] *= 1e30
            twin.get_parameter("fc.weight")[0, 0] /= 1e60
        return twin

    monkeypatch.setitem(steps.REWRITES, "overflowing", Rewrite(overflowing))
    with pytest.raises(WorkError, match=r"differ by nan in float32, where 1e-03 is allowed"):
        prove(build(SPEC), Step("overflowing"), pictures)


def test_refusals() -> None:
    network = build(SPEC)
    with pytest.raises(RequestError, match="at least one picture"):
        prove(network, Step("strip"), lambda channels: {"real": PIXELS[:0]})
    with pytest.raises(RequestError, match=r"\(5, 10\) before, \(5, 3\) after"):
        difference(network, build(SPEC.but(num_classes=3)), PIXELS, torch.float32)
