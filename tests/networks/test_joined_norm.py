"""BN joined with the sum and the ReLU after it: every family computes the same function, under the same names."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from cardinet.blocks import joined_norm
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.joined_norm import JoinedNorm, NormalisedSum, join_norms
from cardinet.blocks.recomputation import recomputing
from cardinet.blocks.residual_unit import ResidualUnit
from cardinet.blocks.synced_batch_norm import SyncedBatchNorm2d, synced
from cardinet.build.builder import build
from cardinet.networks.spec import NetworkSpec
from networks.small_networks import SMALL, small
from networks.test_recomputation import pictures, step

CASES: Mapping[str, NetworkSpec] = {
    **SMALL,
    **{f"order {order}": small.but(order=order) for order in "abcde"},
    "no shortcut": small.but(shortcut="Shortcut(kind=none)"),
    "gate": small.but(gate="SqueezeExcite(reduction=4)"),
    "stochastic depth": small.but(merge="StochasticDepth(last=0.3)"),
    "dropout in the shortcut": small.but(carry="ShortcutDropout(rate=0.4)"),
}


def pair(spec: NetworkSpec) -> tuple[Classifier, Classifier, int]:
    """A network, the same one with its BN joined, and their number."""
    torch.manual_seed(0)
    plain = build(spec).train()
    joined = copy.deepcopy(plain)
    return plain, joined, join_norms(joined)


def is_gradient(name: str) -> bool:
    return name == "pixels" or name.endswith(".grad")


def worst(found: dict[str, Tensor], exact: dict[str, Tensor]) -> float:
    """The largest error as a share of the largest value of its tensor, of what changes steadily: all but gradients."""
    names = [name for name in exact if name != "generator" and not is_gradient(name)]
    pairs = [(found[name].double(), exact[name].double()) for name in names]
    return max(((a - b).abs().max() / b.abs().max().clamp_min(0.1)).item() for a, b in pairs)


def distance(found: dict[str, Tensor], exact: dict[str, Tensor]) -> float:
    """How far all gradients are from the exact ones, as a share of their length.

    Where rounding carries the argument of one ReLU over 0, a few elements differ by much, on one processor or another.
    """
    names = [name for name in exact if is_gradient(name)]
    a, b = (torch.cat([of[name].double().flatten() for name in names]) for of in (found, exact))
    return float((a - b).norm() / b.norm())


def test_cases_of_every_family() -> None:
    joined = {name: pair(spec)[2] for name, spec in CASES.items()}
    assert len(CASES) == len(SMALL) + 9
    assert sum(count > 0 for count in joined.values()) > len(CASES) / 2


@pytest.mark.parametrize("name", CASES)
def test_a_step_is_the_same(name: str) -> None:
    """In float64 the kernels step aside, so what is left is the rewritten network: the same bits. Then in float32."""
    plain, joined, count = pair(CASES[name])
    assert count == sum(isinstance(module, JoinedNorm) for module in joined.modules())
    assert list(joined.state_dict()) == list(plain.state_dict())
    pixels, labels = pictures(CASES[name])
    own, again = copy.deepcopy(joined), copy.deepcopy(plain)
    exact = step(plain.double(), pixels.double(), labels)
    found = step(joined.double(), pixels.double(), labels)
    assert list(found) == list(exact)
    assert all(torch.equal(found[each], exact[each]) for each in exact)
    found = step(own, pixels, labels)
    assert worst(found, exact) <= 10 * worst(step(again, pixels, labels), exact) + 1e-5
    assert distance(found, exact) < 0.1
    for network in (own, again):
        network.load_state_dict(plain.state_dict())
        network.eval()
    assert torch.equal(own(pixels), again(pixels))  # in eval mode the operators are torch's


def test_what_is_joined() -> None:
    _, joined, count = pair(small)
    units = [module for module in joined.modules() if isinstance(module, ResidualUnit)]
    assert count == sum(isinstance(module, nn.BatchNorm2d) for module in joined.modules())
    assert len(units) > 2
    assert all(isinstance(unit.merge, NormalisedSum) and unit.after_names == () for unit in units)
    assert all("relu" not in names for unit in units for names in unit.steps)
    assert type(joined.get_submodule("relu")) is nn.Identity
    assert join_norms(joined) == 0


def test_it_works_with_recomputed_units_frozen_layers_and_copies() -> None:
    plain, joined, _ = pair(small)
    recomputed = copy.deepcopy(joined)
    assert recomputing(recomputed) >= 1
    pixels, labels = pictures(small)
    for network in (plain, joined, recomputed):
        for norm in network.get_submodule("layer1").modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.eval()
    once, twice = (step(network, pixels, labels, autocast=True) for network in (joined, recomputed))
    assert all(torch.equal(once[name], twice[name]) for name in once)
    assert once["layer1.0.bn1.num_batches_tracked"] == 0
    assert once["layer2.0.bn1.num_batches_tracked"] == 1


@pytest.mark.parametrize(
    "settings",
    [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}, {"momentum": 0.3, "eps": 0.1}],
    ids=str,
)
def test_running_statistics_are_those_of_torch(settings: dict[str, float | bool | None]) -> None:
    plain = nn.Sequential(nn.BatchNorm2d(17, **settings), nn.ReLU())  # type: ignore[arg-type]
    joined = copy.deepcopy(plain)
    assert join_norms(joined) == 1
    torch.manual_seed(2)
    for _ in range(3):
        x = (3 * torch.randn(4, 17, 5, 6) + 2).contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(joined(x), plain(x), rtol=1e-5, atol=1e-5)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(joined.get_buffer(name), buffer, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        joined(torch.ones(1, 17, 1, 1))


def test_what_steps_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build(small)
    assert synced(network) > 0
    assert join_norms(network) == 0
    assert any(type(module) is SyncedBatchNorm2d for module in network.modules())
    heard = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())
    heard[1].register_forward_hook(lambda *_: None)
    assert join_norms(heard) == 1
    assert type(heard[1]) is nn.ReLU
    monkeypatch.setattr(joined_norm, "available", lambda kind: kind != "cpu")
    assert join_norms(build(small)) == 0
