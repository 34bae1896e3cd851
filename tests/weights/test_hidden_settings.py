"""Settings that tensors do not show: a library's names or a stated description do, or a message asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import cardinet
from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.networks.registry import PEERS
from cardinet.weights.contents import Weights
from cardinet.weights.match import fixed_settings, load, match
from cardinet.weights.same_tensors import layouts
from cardinet.weights.weight_source import read_weights
from weights.drawn import drawn

SHORT: dict[str, Any] = {"depths": (1, 1, 1, 1), "num_classes": 7}


def under_the_names_of(peer: str, **delta: Any) -> Weights:
    """A short network of a library, under its names."""
    network = build(PEERS[peer].spec.but(**{**SHORT, **delta}))
    names = layouts()[peer].translate(network.state_dict())
    return Weights("a.pth", {names[name]: tensor for name, tensor in network.state_dict().items()})


KNOWN: dict[tuple[str, str], dict[str, Any]] = {
    ("timm:seresnet50", "seresnet50"): {"stem.pool": "pad", "stride_at": 1},
    ("timm:legacy_seresnet50", "timm:seresnet50"): {"stem.pool": "ceil", "stride_at": 0},
    ("timm:legacy_seresnet18", "seresnet18"): {"last": "bn relu"},
    ("timm:seresnet50", "timm:seresnet50"): {},
    ("pytorchcv:resnet18", "resnet18"): {},
    ("torchvision:resnet50", "resnet50"): {},
}


@pytest.mark.parametrize(("peer", "network"), KNOWN)
def test_a_librarys_names_settle_what_all_its_networks_share(peer: str, network: str) -> None:
    weights = under_the_names_of(peer)
    spec = cardinet.create(network, **SHORT, device="meta").spec
    fixed, sentences = fixed_settings(cardinet.create(spec, device="meta"), weights)
    short = {name.removeprefix("stem."): value for name, value in KNOWN[peer, network].items()}
    assert {name.removeprefix("stem."): value for name, value in fixed.items()} == short
    assert len(sentences) == len(fixed)
    made = build(spec.but(**fixed))
    load(made, weights)
    reference = build(PEERS[peer].spec.but(**SHORT))
    load(reference, weights)
    x = torch.randn(1, 3, 37, 37)
    assert torch.equal(made.eval()(x), reference.eval()(x))
    if fixed:
        with pytest.raises(RequestError, match=r"a\.pth was trained with"):
            load(build(spec), weights)
        load(build(spec), weights, given=fixed)


@pytest.mark.parametrize("peer", ["pytorchcv:resnet50", "pytorchcv:resnet50b"])
@pytest.mark.parametrize("network", ["resnet50", "pytorchcv:resnet50"])
def test_where_a_librarys_networks_differ_the_user_says_which(peer: str, network: str) -> None:
    weights = under_the_names_of(peer)
    made = cardinet.create(network, **SHORT)
    way = r"--set transform.stride_at=\d"
    with pytest.raises(RequestError, match=rf"{way} or {way}; .*given=\[\"stride_at\"\]"):
        load(made, weights)
    load(made, weights, given=["stride_at"])
    load(made, weights, given="transform.stride_at")


def test_what_is_given_narrows_what_is_open() -> None:
    made = cardinet.create("seresnet50", **SHORT)  # stride_at 0 and a ceil pool
    with pytest.raises(RequestError) as error:
        match(made, under_the_names_of("pytorchcv:seresnet50"), given=["stride_at"])
    assert len(error.value.findings) == 1
    assert 'has stem.pool = "ceil", and a.pth was trained with stem.pool = "pad"' in str(error.value)


def test_names_that_are_ours_say_what_is_unusual() -> None:
    state = build(PEERS["torchvision:resnet50"].spec.but(**SHORT)).state_dict()
    usual = match(cardinet.create("resnet50", **SHORT), Weights("a.pth", state)).sentences()
    assert usual == [f"{len(state)} tensors loaded."]
    said = match(cardinet.create("resnet50", stride_at=0, **SHORT), Weights("a.pth", state)).sentences()
    assert "torchvision has a network with the same names and tensors, but with transform.stride_at = 1" in said[0]


def test_a_name_that_is_no_setting_is_not_given() -> None:
    state: dict[str, Tensor] = drawn("resnet20_cifar").state_dict()
    for given in (["padd"], "padd"):
        with pytest.raises(RequestError, match=r'given = "padd": the network has no such setting \(nearest: pad'):
            load(cardinet.create("resnet20_cifar"), Weights("a.pth", state), given=given)
    load(cardinet.create("resnet20_cifar"), Weights("a.pth", state), given="pad")


STATED: dict[str, dict[str, Any]] = {
    "stride_at": {"stride_at": 0},
    "pool": {"pool": "ceil"},
    "kind": {"kind": "identity"},
    "order": {"order": "c"},
}


@pytest.mark.parametrize("case", STATED)
def test_a_file_of_ours_states_its_network(case: str, tmp_path: Path) -> None:
    delta = STATED[case]
    base: dict[str, Any] = {"kind": "none"} if case == "kind" else {}
    trained = drawn("resnet50", **SHORT, **delta)
    cardinet.save_weights(trained, tmp_path / "a.safetensors")
    weights = read_weights(tmp_path / "a.safetensors")
    other = cardinet.create("resnet50", **{**SHORT, "num_classes": 5, "head_dropout": 0.5}, **base)
    with pytest.raises(RequestError, match=r"a\.safetensors was trained with"):
        load(other, weights)
    fixed, _ = fixed_settings(other, weights)
    again = build(other.spec.but(**fixed, num_classes=7)).eval()
    load(again, weights)
    x = torch.randn(1, 3, 37, 37)
    assert torch.equal(again(x), trained(x))
    load(other, weights, given=[*fixed])


def test_what_has_no_effect_is_no_difference(tmp_path: Path) -> None:
    trained = drawn("resnet18", **SHORT, pad="both", words="bn relu", boundary="timm")
    cardinet.save_weights(trained, tmp_path / "a.safetensors")
    assert fixed_settings(cardinet.create("resnet18", **SHORT), read_weights(tmp_path / "a.safetensors")) == ({}, ())
