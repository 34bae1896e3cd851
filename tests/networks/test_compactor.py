"""ResRep's compactor: the identity at first, rows of zeros close channels; which convolutions are prunable."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from cardinet.blocks.compactor import Compactor as CompactorModule
from cardinet.blocks.compactor import prunable
from cardinet.measure.counts import count_spec
from cardinet.networks.builder import build
from cardinet.networks.compactor import Compactor
from cardinet.networks.initialise import initialise
from cardinet.networks.part import bind
from cardinet.networks.registry import find
from cardinet.networks.residual import BOTTLENECK, Residual, Stem

TINY = Residual(depths=(1, 1), widths=(6, 8), stem=Stem(layout="cifar", width=8), transform=BOTTLENECK, num_classes=5)


def network_with_statistics() -> nn.Module:
    torch.manual_seed(0)
    network = build(TINY)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                assert tensor is not None
                nn.init.normal_(tensor, mean=0.3)
            assert module.running_var is not None
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


def with_compactors(network: nn.Module) -> tuple[nn.Module, list[CompactorModule]]:
    """A copy with a compactor after the BN of every prunable convolution."""
    network = copy.deepcopy(network)
    made = []
    for name in prunable(network):
        norm = network.get_submodule(bn := name.replace("conv", "bn"))
        assert isinstance(norm, nn.BatchNorm2d)
        made.append(bind(Compactor())(norm.num_features))
        network.set_submodule(bn, nn.Sequential(norm, made[-1]))
    return network.eval(), made


def test_the_same_function_at_first() -> None:
    plain = network_with_statistics()
    compacted, made = with_compactors(plain)
    assert len(made) == 4
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(compacted(x), plain(x))


def test_it_starts_as_the_identity_and_draws_nothing() -> None:
    state = torch.get_rng_state()
    module = bind(Compactor())(5)
    assert torch.equal(torch.get_rng_state(), state)
    assert module.bias is None
    initialise(module, "paper")
    assert torch.equal(module.weight, torch.eye(5)[:, :, None, None])
    assert sum(p.numel() for p in bind(Compactor())(7).parameters()) == 49


def test_a_row_of_zeros_closes_its_channel() -> None:
    """The compacted network computes what one computes without these rows and what read them."""
    closed, made = with_compactors(network_with_statistics())
    closed.double()
    narrow = copy.deepcopy(closed)
    kept: list[Tensor] = []
    with torch.no_grad():
        for module in made:
            module.weight.add_(0.3 * torch.randn_like(module.weight))
            module.weight[::2] = 0
            kept.append(torch.arange(1, module.out_channels, 2))
        narrow.load_state_dict(closed.state_dict())
        for name, rows in zip(prunable(closed), kept, strict=True):
            unit, _, conv = name.rpartition(".")
            compactor = narrow.get_submodule(f"{unit}.{conv.replace('conv', 'bn')}.1")
            reader = narrow.get_submodule(f"{unit}.conv{int(conv[-1]) + 1}")
            compactor.weight = nn.Parameter(compactor.weight[rows])  # type: ignore[index]
            reader.weight = nn.Parameter(reader.weight[:, rows])  # type: ignore[index]
        x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
        expected, logits = closed(x), narrow(x)
    assert sum(p.numel() for p in narrow.parameters()) < sum(p.numel() for p in closed.parameters())
    assert (logits - expected).abs().max() <= 1e-12 * expected.abs().max()


@pytest.mark.parametrize(("id", "number"), [("resnet50", 32), ("resnet56_cifar", 27), ("resnext50_32x4d", 0)])
def test_prunable_convolutions(id: str, number: int) -> None:
    names = prunable(build(find(id).spec, device="meta"))
    assert len(names) == number
    if id == "resnet50":
        assert names[:3] == ["layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1"]
        assert not any(name.endswith("conv3") for name in names)
    if id == "resnet56_cifar":
        assert all(name.endswith(".conv1") for name in names)


def test_rows_are_the_networks_before_pruning() -> None:
    assert find("resrep_resnet50").spec == find("resnet50").spec
    assert find("resrep_resnet56").spec == find("resnet56_cifar").spec.but(kind="B")
    assert count_spec(find("resrep_resnet50").spec, 224).params == 25_557_032
    assert count_spec(find("resrep_resnet56").spec, 32).params == 855_770
    assert all("before pruning" in find(id).reading for id in ("resrep_resnet50", "resrep_resnet56"))
