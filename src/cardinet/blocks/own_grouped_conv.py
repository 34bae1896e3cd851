"""Grouped convolutions that may take own kernels on a GPU, each direction where a measurement says that it is faster.

`take_own_grouped` rewrites a network in place: the same function with the same parameters and names.
"""

from __future__ import annotations

from torch import Tensor, nn

from cardinet.ops.gpu_choice import forms
from cardinet.ops.grouped_conv import chosen, grouped_conv3x3


class OwnGroupedConv2d(nn.Conv2d):
    """A grouped 3x3 convolution; in training, and for a shape that is in the table, by the operator of `ops`."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and chosen(input, self.weight, self.stride[0]):
            return grouped_conv3x3(input, self.weight, self.stride[0])
        return super().forward(input)


def take_own_grouped(network: nn.Module) -> int:
    """Let the convolutions of a network that the kernels can compute ask the table; return their number.

    It is 0 while the table chooses nothing, and the network stays as it is then.
    """
    if not forms():
        return 0
    found = [module for module in network.modules() if type(module) is nn.Conv2d and _fits(module)]
    for module in found:
        module.__class__ = OwnGroupedConv2d
    return len(found)


def _fits(convolution: nn.Conv2d) -> bool:
    return (
        convolution.groups > 1
        and convolution.in_channels == convolution.out_channels
        and convolution.kernel_size == (3, 3)
        and convolution.stride in ((1, 1), (2, 2))
        and convolution.padding == (1, 1)
        and convolution.dilation == (1, 1)
        and convolution.padding_mode == "zeros"
        and convolution.bias is None
    )
