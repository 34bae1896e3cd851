"""Inception-ResNet and grouped convolution are aggregated transforms: Xie et al. 2016, Figure 3 (arXiv 1611.05431)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardinet.reproduce.claim import Claim, Lab
from cardinet.reproduce.rules import All, Samples, Within

if TYPE_CHECKING:
    from cardinet.blocks.branches import ConcatenatedUnit
    from cardinet.blocks.inception import ScaledResidual

INCEPTION, GROUPED = "Inception-ResNet module against the sum", "grouped convolution against the sum"
UNIT = "layer1.1"
"""A unit whose shortcut is the identity, as an Inception-ResNet module has it."""


def inception_module(unit: ConcatenatedUnit) -> ScaledResidual:
    """The Inception-ResNet module that has the branches of a unit of form b.

    Its last 1x1 has a bias and no BN; it gets the unit's 1x1 with the BN folded into it.
    """
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    from cardinet.blocks.branches import Branch
    from cardinet.blocks.inception import ConvNormReLU
    from cardinet.build.binding import bind
    from cardinet.networks.parts.inception_pieces import Convolution, InceptionResidual

    sources = [branch for branch in unit.branches if isinstance(branch, Branch)]
    branches = tuple(
        (Convolution(width=b.conv1.out_channels), Convolution(width=b.conv2.out_channels, kernel=(3, 3)))
        for b in sources
    )
    module: ScaledResidual = bind(InceptionResidual(branches=branches))(unit.conv3.out_channels).to(
        unit.conv3.weight.dtype
    )
    pieces = [piece for piece in module.modules() if isinstance(piece, ConvNormReLU)]
    layers = [layer for branch in sources for layer in ((branch.conv1, branch.bn1), (branch.conv2, branch.bn2))]
    for piece, (conv, bn) in zip(pieces, layers, strict=True):
        assert isinstance(piece.bn, nn.BatchNorm2d)
        piece.conv.load_state_dict(conv.state_dict())
        piece.bn.load_state_dict(bn.state_dict())
        piece.bn.eps = bn.eps
    module.conv.load_state_dict(fuse_conv_bn_eval(unit.conv3, unit.bn3).state_dict())
    return module


def measure(lab: Lab) -> Samples:
    import torch

    from cardinet.blocks.branches import ConcatenatedUnit
    from cardinet.networks.registry import find
    from cardinet.reproduce.functions import drawn_network
    from cardinet.rewrite.forms import to_form

    spec = find("resnext29_1x64d").spec.but(depths=(2, 1, 1), widths=(16, 32, 64), cardinality=4, base_width=16)
    network = drawn_network(spec).double()
    summed, concatenated = (to_form(network, form).get_submodule(UNIT) for form in "ab")
    assert isinstance(concatenated, ConcatenatedUnit)
    pixels = torch.randn(4, 64, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = {}
    with torch.inference_mode():
        expected = summed(pixels)
        for name, module in (
            (INCEPTION, inception_module(concatenated).eval()),
            (GROUPED, network.get_submodule(UNIT)),
        ):
            found[name] = [float((module(pixels) - expected).abs().max() / expected.abs().max())]
    return found


CLAIM = Claim(
    id="aggregated-special-cases",
    chapter="Cardinality",
    statement="An Inception-ResNet module of equal branches and a grouped convolution are sums of transforms.",
    paper="arXiv 1611.05431, Figure 3",
    experiment=(
        "One residual unit of four transforms, written as their sum (form a), as an Inception-ResNet module with the "
        "same branches, and with a grouped convolution (form c); drawn BN statistics, float64."
    ),
    measures="largest relative difference of the outputs",
    percent=False,
    rule=All((Within(INCEPTION, 0, 1e-10), Within(GROUPED, 0, 1e-10))),
    measure=measure,
    minutes={"minutes": 0.2, "hour": 0.2, "gpu": 0.2},
)
