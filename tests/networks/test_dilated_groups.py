"""The weight gradient of dilated convolutions in groups, which torch computes wrongly in low precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cardinet.blocks.convolution import DilatedGroups, convolution
from cardinet.build.builder import build
from networks.small_networks import SMALL


@pytest.mark.parametrize(("channels", "groups"), [(16, 2), (128, 32)])
def test_the_gradient_in_low_precision_is_that_in_float32(channels: int, groups: int) -> None:
    """To the precision of bfloat16, 8 bits; torch's own was off by more than its size, or NaN."""
    torch.manual_seed(0)
    conv = convolution(channels, channels, 3, padding=2, dilation=2, groups=groups, bias=False)
    assert isinstance(conv, DilatedGroups)
    conv = conv.to(memory_format=torch.channels_last)
    x = torch.randn(2, channels, 32, 32).to(memory_format=torch.channels_last)
    gradient = torch.randn_like(x)
    conv(x).backward(gradient)
    exact = conv.weight.grad
    conv.weight.grad = None
    assert exact is not None
    with torch.autocast("cpu", torch.bfloat16):
        made = conv(x)
    assert made.dtype is torch.bfloat16
    made.float().backward(gradient)
    assert conv.weight.grad is not None
    assert (conv.weight.grad - exact).norm() < 0.02 * exact.norm()


def test_a_network_with_selective_kernels_learns_in_low_precision() -> None:
    torch.manual_seed(0)
    network = build(SMALL["selective kernels"]).train().to(memory_format=torch.channels_last)
    dilated = [module for module in network.modules() if isinstance(module, nn.Conv2d) and module.dilation != (1, 1)]
    assert len(dilated) == 5
    x = torch.randn(4, 3, 32, 32).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        loss = network(x).float().square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
