"""The spatial convolution of a transform."""

from torch import nn

from cardinet.blocks.convolution import convolution


def grouped(w_in: int, w_out: int, kernel: int, stride: int, bias: bool, *, cardinality: int) -> nn.Conv2d:
    """A convolution in `cardinality` groups: Xie et al. 2016, Figure 3(c)."""
    return convolution(w_in, w_out, kernel, stride, padding=kernel // 2, groups=cardinality, bias=bias)
