"""Groups packed and unpacked: by value, by what a machine sees of it, and where it cannot be undone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.networks.parts.spatial import SelectiveKernel, SplitAttention
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.residual import Residual
from cardinet.rewrite.packing import block_diagonal, diagonal, off_diagonal, pack, unpack
from rewrite.test_fold import SMALL, difference, drawn

NEXT: Residual = SMALL.but(transform=BOTTLENECK, cardinality=8, base_width=8)


def groups(network: nn.Module) -> list[int]:
    return [m.groups for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]


CASES: dict[str, tuple[Residual, int, list[int]]] = {
    "2 and 4 channels a group to 8": (NEXT, 8, [2, 2, 4]),
    "as many as there are": (NEXT, 1000, []),
    "only the narrow ones": (NEXT, 4, [4, 4, 8]),
    "depthwise": (NEXT.but(cardinality=16, base_width=4), 8, [2, 2, 4]),
    "selective kernels": (NEXT.but(spatial=SelectiveKernel(cardinality=8)), 16, [8, 8] * 3),
    "split attention": (NEXT.but(spatial=SplitAttention(cardinality=2)), 8, [2, 2, 2] * 3),
}


@pytest.mark.parametrize("name", CASES)
def test_packed_is_the_same_function_and_unpacked_the_same_tensors(name: str) -> None:
    spec, width, expected = CASES[name]
    torch.manual_seed(0)
    network = drawn(build(spec))
    packed = pack(network, width)
    assert difference(network, packed) <= 1e-13
    if name not in ("selective kernels", "split attention"):
        assert groups(packed) == expected
    for module in packed.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            assert module.in_channels // module.groups >= width
    again = unpack(packed)
    assert again.state_dict().keys() == network.state_dict().keys()
    assert all(torch.equal(t, network.state_dict()[n]) for n, t in again.state_dict().items())
    assert groups(again) == groups(network)
    assert len(CASES) == 6


def test_gradients_on_the_diagonal_are_those_of_the_groups() -> None:
    torch.manual_seed(0)
    network: Any = drawn(build(NEXT)).train()
    packed: Any = pack(network, 8)
    x = torch.randn(3, 3, 12, 12, dtype=torch.float64)
    network(x).square().sum().backward()
    packed(x).square().sum().backward()
    checked = 0
    for (name, p), (_, q) in zip(network.named_parameters(), packed.named_parameters(), strict=True):
        found = q.grad
        if p.shape != q.shape:
            conv, wide = (net.get_submodule(name.removesuffix(".weight")) for net in (network, packed))
            assert off_diagonal(q.grad, wide.groups, conv.groups).abs().max() > 0
            found = diagonal(q.grad, wide.groups, conv.groups)
            checked += 1
        assert (found - p.grad).abs().max() <= 1e-12 * p.grad.abs().max()
    assert checked == 3


def test_a_network_that_was_trained_after_it_was_packed_cannot_be_unpacked() -> None:
    network: Any = pack(build(NEXT), 8)
    with torch.no_grad():
        network.layer1[0].conv2.weight[0, -1, 0, 0] = 0.25
    with pytest.raises(RequestError) as error:
        unpack(network)
    assert error.value.findings == (
        "layer1.0.conv2 cannot be unpacked into 8 groups: the weights between them are not zero (up to 2.5e-01), "
        "because it was trained "
        "after it was packed.",
    )


def test_refusals() -> None:
    with pytest.raises(RequestError, match="its groups have 2, 4 channels"):
        pack(build(NEXT, device="meta"), 2)
    with pytest.raises(RequestError, match="it has no grouped convolution"):
        pack(build(SMALL, device="meta"), 8)
    with pytest.raises(RequestError, match="give at least 1 channel for a group"):
        pack(build(NEXT, device="meta"), 0)
    with pytest.raises(RequestError, match="nothing to unpack"):
        unpack(build(NEXT, device="meta"))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3]))
def test_block_diagonal_weights(fewer: int, joined: int, out: int, inner: int, side: int) -> None:
    """Random groups: the packed convolution is the grouped one, its diagonal the weights, the rest zeros."""
    number = fewer * joined
    conv = nn.Conv2d(number * inner, number * out, side, groups=number, bias=False).double()
    wide = nn.Conv2d(number * inner, number * out, side, groups=fewer, bias=False).double()
    weight = block_diagonal(conv.weight.detach(), number, fewer)
    wide.weight = nn.Parameter(weight)
    x = torch.randn(2, number * inner, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(wide(x), conv(x), rtol=1e-12, atol=1e-12)
    assert torch.equal(diagonal(weight, fewer, number), conv.weight)
    assert not off_diagonal(weight, fewer, number).any()
    assert weight.count_nonzero() == copy.deepcopy(conv.weight).count_nonzero()
