"""DenseNet: Huang et al. 2016 (arXiv 1608.06993); growth k, bottleneck layers (B), compression theta (C).

CIFAR networks of depth L have 3 blocks of (L - 4) / 3 layers, or of half as many layers with bottlenecks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cardinet.networks.family import Row, family, row
from cardinet.networks.part import part
from cardinet.networks.path_graph import PathGraph, Way
from cardinet.networks.ranges import Count, Depths, Rate
from cardinet.networks.spec import NetworkSpec


@part
class DenseNet(NetworkSpec):
    """Stem, dense blocks with a transition between two, BN, ReLU, average pool, classifier.

    A layer is BN, ReLU and a 3x3 convolution; its output is concatenated with its input. A transition halves the
    picture.
    """

    depths: Depths
    """The number of layers in each dense block."""

    growth: Count = 32
    """The channels that a layer adds to its block."""

    bottleneck: bool = True
    """Whether each layer starts with BN, ReLU and a 1x1 convolution to 4 x growth channels."""

    compression: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of the channels that a transition keeps, rounded down."""

    stem: Literal["imagenet", "cifar"] = "imagenet"
    """The layers before the blocks: imagenet is a 7x7 convolution /2, BN, ReLU and a max pool 3x3 /2; cifar a
    3x3.
    """

    stem_width: Count = 64
    """The channels of the stem."""

    dropout: Rate = 0
    """The rate of the dropout after every convolution except the first."""

    num_classes: Count = 1000
    in_channels: Count = 3

    MODULE: ClassVar[str] = "densenet:DenseNet"
    TRAINING: ClassVar[frozenset[str]] = frozenset({"dropout"})
    FORMER: ClassVar[frozenset[str]] = frozenset({"recompute"})
    WITHOUT: ClassVar[Mapping[str, str]] = {
        "merge": "its layers are concatenated with their inputs; there is no sum for a merge to act on."
    }

    def problems(self) -> list[str]:
        width = self.stem_width
        for depth in self.depths[:-1]:
            before = width + depth * self.growth
            width = int(self.compression * before)
            if width < 1:
                why = f"keeps none of the {before} channels of a block; use at least {1 / before:.4f}."
                return [f"compression = {self.compression:g} {why}"]
        return []

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return int((4 if self.stem == "imagenet" else 1) * 2 ** (len(self.depths) - 1))

    def path_graph(self) -> PathGraph:
        """Stem; each layer joins its output with its input; a convolution between two blocks; classifier."""
        graph = PathGraph()
        at = graph.chain(0, 1)
        for i, depth in enumerate(self.depths):
            at = graph.chain(at, int(i > 0))
            for _ in range(depth):
                at = graph.add(Way(at), Way(at, 2 if self.bottleneck else 1, unit=True))
        graph.chain(at, 1)
        return graph


densenet121 = DenseNet(depths=(6, 12, 24, 16))
bc = DenseNet(depths=(16, 16, 16), growth=12, stem="cifar", stem_width=24, num_classes=10)
plain = bc.but(bottleneck=False, compression=1, stem_width=16)


def sized(base: DenseNet, depth: int, growth: int) -> DenseNet:
    """A CIFAR network of a depth and a growth; with bottlenecks the stem has 2 * growth channels."""
    layers = (depth - 4) // (6 if base.bottleneck else 3)
    delta = {"stem_width": 2 * growth} if base.bottleneck else {}
    return base.but(depths=(layers,) * 3, growth=growth, **delta)


def without_bottlenecks(depth: int, growth: int) -> Row:
    """A network without bottlenecks."""
    return row(
        sized(plain, depth, growth),
        reading="The first convolution has 16 channels, as in the paper and in its counts. The author's code has "
        f"2k = {2 * growth} in all networks.",
    )


FAMILY = family(
    "DenseNet",
    paper="arXiv 1608.06993",
    input_size=224,
    rows={
        "densenet121": row(densenet121, "torchvision:densenet121", "timm:densenet121"),
        "densenet169": row(densenet121.but(depths=(6, 12, 32, 32)), "torchvision:densenet169", "timm:densenet169"),
        "densenet201": row(densenet121.but(depths=(6, 12, 48, 32)), "torchvision:densenet201", "timm:densenet201"),
        "densenet161": row(
            densenet121.but(depths=(6, 12, 36, 24), growth=48, stem_width=96),
            "torchvision:densenet161",
            "timm:densenet161",
        ),
        "densenet264": row(
            densenet121.but(depths=(6, 12, 64, 48)),
            reading="Blocks of 6, 12, 64, 48 layers with growth 32, from memory of the paper's Table 1. No "
            "published count confirms them. Counted as in the other names, the network has 2 x 130 + 5 = "
            "265 layers.",
        ),
    },
    refused={
        "timm:densenetblur121d": "it has a deep stem of three 3x3 convolutions, and blurs before its max pool.",
        "timm:densenet264d": "it has a deep stem of three 3x3 convolutions and growth 48, so it is not the paper's "
        "DenseNet-264.",
    },
)
SMALL = family(
    "DenseNet",
    paper="arXiv 1608.06993",
    input_size=32,
    rows={
        "densenet_40_12": without_bottlenecks(40, 12),
        "densenet_100_12": without_bottlenecks(100, 12),
        "densenet_100_24": without_bottlenecks(100, 24),
        "densenet_bc_40_36": row(sized(bc, 40, 36), "pytorchcv:densenet40_k36_bc_cifar10"),
        "densenet_bc_40_48": sized(bc, 40, 48),
        "densenet_bc_40_60": sized(bc, 40, 60),
        "densenet_bc_100_12": row(sized(bc, 100, 12), "pytorchcv:densenet100_k12_bc_cifar10"),
        "densenet_bc_190_40": row(sized(bc, 190, 40), "pytorchcv:densenet190_k40_bc_cifar10"),
        "densenet_bc_250_24": row(sized(bc, 250, 24), "pytorchcv:densenet250_k24_bc_cifar10"),
    },
    variants={
        "pytorchcv:densenet40_k12_bc_cifar10": sized(bc, 40, 12),
        "pytorchcv:densenet40_k24_bc_cifar10": sized(bc, 40, 24),
        "pytorchcv:densenet40_k12_cifar10": sized(plain, 40, 12).but(compression=0.5, stem_width=24),
        "pytorchcv:densenet100_k12_cifar10": sized(plain, 100, 12).but(compression=0.5, stem_width=24),
        "pytorchcv:densenet100_k24_cifar10": sized(plain, 100, 24).but(compression=0.5, stem_width=48),
    },
)
