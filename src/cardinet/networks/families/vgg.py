"""VGG: Simonyan and Zisserman 2014, Table 1 (arXiv 1409.1556): configurations A, B, D, E with 11, 13, 16, 19 layers.

timm's networks compute the same for pictures of up to 224 pixels. For larger ones they average the logits of 7x7
windows; the networks here average the last feature map.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar

from pydantic import Field, SkipValidation

from cardinet.networks.family import family, row
from cardinet.networks.part import misplaced, part
from cardinet.networks.parts.gate import Gate
from cardinet.networks.path_graph import PathGraph
from cardinet.networks.ranges import Count, Depths, Rate, unequal
from cardinet.networks.spec import NetworkSpec


@part
class VGG(NetworkSpec):
    """Stages of 3x3 convolutions with ReLU, each stage ended by a 2x2 max pool; three linear layers.

    The last feature map is averaged to 7x7, its size for pictures of 224 pixels.
    """

    depths: Depths
    """The number of convolutions in each stage."""

    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = (64, 128, 256, 512, 512)
    """The channels of each stage."""

    norm: bool = False
    """Whether BN stands between convolution and ReLU; the convolutions then still have a bias, as in torchvision."""

    gate: SkipValidation[Gate | None] = None
    """The gate after every ReLU of a convolution (SENet, Section 3.3, of networks without shortcuts); none: there is no
    gate.
    """

    dropout: Rate = 0.5
    """The rate of the dropout after the ReLU of both hidden linear layers."""

    num_classes: Count = 1000
    in_channels: Count = 3

    MODULE: ClassVar[str] = "plain:VGG"
    TRAINING: ClassVar[frozenset[str]] = frozenset({"dropout"})
    WITHOUT: ClassVar[Mapping[str, str]] = {"merge": "it is a plain chain without shortcuts."}

    def problems(self) -> list[str]:
        return [
            *unequal(self.depths, self.widths, "stage"),
            *misplaced({"gate": self.gate}, optional=("gate",)),
        ]

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return int(2 ** len(self.depths))

    def path_graph(self) -> PathGraph:
        """One chain: the convolutions and three linear layers."""
        graph = PathGraph()
        graph.chain(0, sum(self.depths) + 3)
        return graph


vgg11 = VGG(depths=(1, 1, 2, 2, 2))
vgg13 = VGG(depths=(2, 2, 2, 2, 2))
vgg16 = VGG(depths=(2, 2, 3, 3, 3))
vgg19 = VGG(depths=(2, 2, 4, 4, 4))

std_of_a_hundredth = partial(
    row,
    reading="The paper gives the initial weights a variance of 0.01. It is read as the std, because with a std of "
    "0.1 the values grow up to fivefold in each layer.",
)

FAMILY = family(
    "VGG",
    paper="arXiv 1409.1556",
    input_size=224,
    rows={
        "vgg16": std_of_a_hundredth(vgg16, "torchvision:vgg16", "timm:vgg16"),
        "vgg19": std_of_a_hundredth(vgg19, "torchvision:vgg19", "timm:vgg19"),
    },
    variants={
        "torchvision:vgg11": vgg11,
        "torchvision:vgg13": vgg13,
        "torchvision:vgg11_bn": vgg11.but(norm=True),
        "torchvision:vgg13_bn": vgg13.but(norm=True),
        "torchvision:vgg16_bn": row(vgg16.but(norm=True), "timm:vgg16_bn"),
        "torchvision:vgg19_bn": row(vgg19.but(norm=True), "timm:vgg19_bn"),
    },
)
