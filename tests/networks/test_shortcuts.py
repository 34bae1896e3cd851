"""Shortcuts A, B, C, identity and none, by value."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor, nn

from cardinet.blocks import shortcut as blocks
from cardinet.blocks.residual_unit import ResidualUnit
from cardinet.blocks.shortcut import Absent, ZeroPad
from cardinet.build.builder import build
from cardinet.networks.registry import find
from inside import inside

shortcut = functools.partial(blocks.shortcut, project="conv bn", sample="subsample", pad="end")
X = torch.arange(2 * 3 * 5 * 4, dtype=torch.float32).reshape(2, 3, 5, 4)


@pytest.mark.parametrize(("pad", "first"), [("end", 0), ("both", 2)])
def test_a_takes_every_second_pixel_and_adds_zero_channels(pad: str, first: int) -> None:
    module = shortcut(3, 8, 2, kind="A", pad=pad)
    y: Tensor = module(X)
    assert y.shape == (2, 8, 3, 2)
    for n in range(2):
        for c in range(8):
            for i in range(3):
                for j in range(2):
                    inside = first <= c < first + 3
                    assert y[n, c, i, j] == (X[n, c - first, 2 * i, 2 * j] if inside else 0)
    assert not list(module.parameters())
    assert repr(module) == f"ZeroPad(stride=2, channels=({first}, {5 - first}), sample=subsample)"


@pytest.mark.parametrize("kind", ["B", "C"])
@pytest.mark.parametrize("stride", [1, 2])
def test_projection_is_a_1x1_with_bn(kind: str, stride: int) -> None:
    module = shortcut(3, 6, stride, kind=kind, pad="end").train()
    assert isinstance(module, nn.Sequential)
    assert len(module) == 2
    conv, norm = inside(module, "0", nn.Conv2d), inside(module, "1", nn.BatchNorm2d)
    h = torch.einsum("nchw,oc->nohw", X[:, :, ::stride, ::stride], conv.weight[:, :, 0, 0])
    mean, variance = h.mean((0, 2, 3)), h.var((0, 2, 3), unbiased=False)
    expected = (h - mean[:, None, None]) / torch.sqrt(variance[:, None, None] + norm.eps)
    assert conv.bias is None
    assert torch.allclose(module(X), expected, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_bare_projection(stride: int) -> None:
    module = shortcut(3, 6, stride, kind="B", project="conv")
    assert isinstance(module, nn.Sequential)
    assert len(module) == 1
    conv = inside(module, "0", nn.Conv2d)
    expected = torch.einsum("nchw,oc->nohw", X[:, :, ::stride, ::stride], conv.weight[:, :, 0, 0])
    assert torch.allclose(conv(X), expected, atol=1e-4)


def test_a_projection_of_means() -> None:
    """ResNet-D: the mean of what a 2x2 window has within the picture of 5x4, then 1x1; at stride 1 only the 1x1."""
    module = shortcut(3, 6, 2, kind="B", project="avg conv bn")
    assert isinstance(module, nn.Sequential)
    assert len(module) == 3
    pool, conv = module[0], inside(module, "1", nn.Conv2d)
    means = [torch.stack([X[:, :, i : i + 2, j : j + 2].mean((2, 3)) for j in (0, 2)], -1) for i in (0, 2, 4)]
    assert torch.allclose(pool(X), torch.stack(means, 2))
    assert (conv.kernel_size, conv.stride, conv.bias) == ((1, 1), (1, 1), None)
    assert isinstance(shortcut(3, 6, 1, kind="B", project="avg conv bn").get_submodule("0"), nn.Identity)


@pytest.mark.parametrize(("stride", "kernel"), [(1, 1), (2, 3)])
def test_a_wide_projection_where_it_strides(stride: int, kernel: int) -> None:
    module = shortcut(3, 6, stride, kind="B", project="conv3 bn")
    assert isinstance(module, nn.Sequential)
    assert len(module) == 2
    conv = inside(module, "0", nn.Conv2d)
    assert (conv.kernel_size, conv.stride, conv.padding) == ((kernel,) * 2, (stride,) * 2, (kernel // 2,) * 2)


KINDS = {
    ("A", True): nn.Identity,
    ("A", False): ZeroPad,
    ("B", True): nn.Identity,
    ("B", False): nn.Sequential,
    ("C", True): nn.Sequential,
    ("C", False): nn.Sequential,
    ("identity", True): nn.Identity,
    ("identity", False): Absent,
    ("none", True): Absent,
    ("none", False): Absent,
}


def test_number_of_kinds() -> None:
    assert len(KINDS) == 10


@pytest.mark.parametrize(("kind", "same"), KINDS)
def test_kinds_by_shape(kind: str, same: bool) -> None:
    shapes = [(3, 3, 1)] if same else [(3, 3, 2), (3, 6, 1), (3, 6, 2)]
    for w_in, w_out, stride in shapes:
        module = shortcut(w_in, w_out, stride, kind=kind)
        assert type(module) is KINDS[kind, same]
        if isinstance(module, nn.Identity):
            assert module(X) is X
        elif isinstance(module, Absent):
            assert module(X) is None


@pytest.mark.parametrize(("kind", "projections"), [("A", 0), ("B", 2), ("C", 9), ("identity", 0), ("none", 0)])
def test_a_network_adds_its_shortcuts(kind: str, projections: int) -> None:
    torch.manual_seed(0)
    network = build(find("resnet20_cifar").spec.but(kind=kind)).eval()
    assert sum(name.endswith("downsample.0.weight") for name in network.state_dict()) == projections
    for name in ("layer1.1", "layer2.0"):
        unit, x = inside(network, name, ResidualUnit), torch.rand(1, 16, 6, 6)
        skip = unit.downsample(x)
        expected = torch.relu(unit.branch(x) + (0 if skip is None else skip))
        assert torch.equal(unit(x), expected)
