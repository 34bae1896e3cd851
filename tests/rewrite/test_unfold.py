"""BN back where it was folded: the same function, the same tensors as a network that has it, and a calm first step."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual
from cardinet.rewrite.fold import fold, folded_into, unfolded
from cardinet.rewrite.narrow import narrow
from cardinet.rewrite.proof import prove
from cardinet.rewrite.steps import Step
from cardinet.rewrite.unfold import measure_statistics, unfold
from networks.test_citizen import SMALL as FAMILIES
from rewrite.test_fold import SMALL, difference, drawn

NARROW = {"layer1.0.conv1": 5, "layer2.0.conv1": 9}


def norms(network: nn.Module) -> dict[str, nn.BatchNorm2d]:
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}


def pruned() -> nn.Module:
    torch.manual_seed(0)
    return narrow(fold(drawn(build(SMALL))), NARROW)


def batches(count: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(8, 3, 12, 12, dtype=torch.float64, generator=generator) for _ in range(count)]


def test_a_pruned_network_has_its_tensors_again() -> None:
    before = pruned()
    after = unfold(before)
    assert difference(before, after) <= 1e-14
    assert after.state_dict().keys() == build(SMALL).state_dict().keys()
    assert {name: norm.num_features for name, norm in norms(after).items() if name in ("layer1.0.bn1", "bn1")} == {
        "layer1.0.bn1": 5,
        "bn1": 16,
    }
    assert not norms(before)  # the one given stays as it is
    again = fold(after)
    assert difference(before, again) <= 1e-13
    assert not norms(again)


def test_statistics_are_those_of_the_pictures() -> None:
    """Of all of them together, whatever the batches; each layer's are seen from within."""
    before, pictures = unfold(pruned()), batches()
    after = measure_statistics(before, pictures)
    assert difference(before, after) <= 1e-13
    seen: dict[str, Tensor] = {}
    for name, norm in norms(after).items():
        norm.register_forward_pre_hook(lambda _, inputs, name=name: seen.update({name: inputs[0]}))
    with torch.no_grad():
        after(torch.cat(pictures))
    assert len(seen) == 8
    for name, norm in norms(after).items():
        variance, mean = torch.var_mean(seen[name], (0, 2, 3), correction=0)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert torch.allclose(norm.running_mean, mean, rtol=1e-10, atol=1e-12)
        assert torch.allclose(norm.running_var, variance, rtol=1e-10)
    other = measure_statistics(before, [torch.cat(pictures)])
    assert all(torch.allclose(t, other.state_dict()[name]) for name, t in after.state_dict().items())


def test_in_train_mode_it_begins_where_it_was() -> None:
    """BN computes on the pictures of its statistics in training what it does in eval; without them it does not."""
    pictures = torch.cat(batches())
    before = unfold(pruned())
    after = measure_statistics(before, [pictures])
    with torch.no_grad():
        expected = after(pictures)
        apart = [
            float((copy.deepcopy(network).train()(pictures) - expected).abs().max() / expected.abs().max())
            for network in (after, before)
        ]
    assert apart[0] <= 1e-12
    assert apart[1] > 0.1


@pytest.mark.parametrize("id", FAMILIES)
def test_every_family(id: str) -> None:
    """What fold took into one convolution stands there again, and only that; else there is nothing to do."""
    spec = find(id).spec.but(**FAMILIES[id])
    network = build(spec, device="meta")
    try:
        folded = fold(network)
    except RequestError:
        with pytest.raises(RequestError, match="No convolution here has a folded BN"):
            unfold(network)
        return
    alone = {
        name
        for name, layers in folded_into(network).items()
        if len(layers) == 1 and isinstance(network.get_submodule(layers[0]), nn.Conv2d)
    }
    after = unfold(folded)
    assert alone
    assert norms(after).keys() == alone | unfolded(network).keys()


def test_number_of_families() -> None:
    assert len(FAMILIES) == 25


def test_a_proof_settles_on_the_pictures() -> None:
    network = pruned().float()
    pictures = [batch.float() for batch in batches()]
    found = prove(network, Step("unfold"), lambda _: {"random": pictures[0]}, lambda: pictures)
    assert found.proofs["random"].float64 <= 1e-10
    assert found.proofs["random"].float32 <= 1e-5
    assert all(norm.running_mean is not None and norm.running_mean.any() for norm in norms(found.network).values())


def test_refusals() -> None:
    spec: Residual = SMALL
    with pytest.raises(RequestError, match="No convolution here has a folded BN; unfold needs"):
        unfold(build(spec))
    with pytest.raises(RequestError, match="needs the description of the network"):
        unfold(nn.Sequential(nn.Conv2d(3, 4, 1)))
    with pytest.raises(RequestError, match=r"The statistics of bn1 are not numbers on these pictures"):
        measure_statistics(build(spec), [torch.full((2, 3, 12, 12), float("nan"))])
