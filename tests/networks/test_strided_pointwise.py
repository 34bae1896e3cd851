"""No gradient of a narrow, strided 1x1 convolution is left to torch, which computes it beyond its memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from cardinet.blocks.convolution import NARROW, StridedPointwise, convolution
from cardinet.build.builder import build
from cardinet.networks.registry import NETWORKS
from networks.small_networks import SMALL


class Gradients(TorchDispatchMode):
    """The weights of all strided convolutions whose gradient torch computes, by shape."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.strided: list[torch.Size] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution_backward.default and max(args[4]) > 1:
            self.strided.append(args[2].shape)
        return func(*args, **(kwargs or {}))


def narrow(shape: torch.Size) -> bool:
    """Whether torch's gradient of such a weight is wrong."""
    return tuple(shape[2:]) == (1, 1) and shape[1] < NARROW


def test_no_small_network_leaves_such_a_gradient_to_torch() -> None:
    seen = ours = 0
    for spec in SMALL.values():
        network = build(spec).train()
        side = 64 if getattr(spec, "layout", "") != "cifar" else 32
        with Gradients() as gradients:
            network(torch.randn(2, spec.in_channels, side, side)).sum().backward()
        assert not [shape for shape in gradients.strided if narrow(shape)], spec
        seen += 1
        ours += sum(isinstance(m, StridedPointwise) and m.in_channels < NARROW for m in network.modules())
    assert (seen, ours) == (42, 22)


@pytest.mark.long
def test_every_strided_1x1_of_the_named_networks_is_ours() -> None:
    found = 0
    for row in NETWORKS.values():
        for name, module in build(row.spec, device="meta").named_modules():
            if isinstance(module, nn.Conv2d) and max(module.stride) > 1 and tuple(module.kernel_size) == (1, 1):
                assert isinstance(module, StridedPointwise), (row.id, name)
                found += 1
    assert found == 345


@pytest.mark.parametrize("channels", [2, 6, NARROW])
@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_it_is_the_convolution_of_torch(channels: int, stride: int, groups: int) -> None:
    torch.manual_seed(0)
    ours = convolution(channels, 8, 1, stride, groups=groups).double()
    peer = nn.Conv2d(channels, 8, 1, stride, groups=groups).double()
    peer.load_state_dict(ours.state_dict())
    found = []
    for conv in (ours, peer):
        x = torch.randn(2, channels, 9, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        x.requires_grad_()
        y = conv(x)
        with torch.no_grad():
            assert torch.equal(conv(x), peer(x))  # without a gradient it is torch's
        y.square().sum().backward()
        found.append((y, x.grad, *(p.grad for p in conv.parameters())))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
