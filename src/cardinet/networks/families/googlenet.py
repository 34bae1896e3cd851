"""GoogLeNet: Szegedy et al. 2014 (arXiv 1409.4842), Table 1. Convolutions with bias and without BN.

The two auxiliary heads are a method of training (`AuxiliaryHeads`); the paper does not count them. Pools round up as in
Caffe: 224 pixels become 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SkipValidation

from cardinet.networks.auxiliary_head import GOOGLENET, AuxiliaryHead
from cardinet.networks.family import family, row
from cardinet.networks.part import misplaced, part
from cardinet.networks.parts.gate import Gate
from cardinet.networks.path_graph import PathGraph, Way
from cardinet.networks.ranges import Count
from cardinet.networks.spec import NetworkSpec

Widths = tuple[Count, Count, Count, Count, Count, Count]

TABLE_1 = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)


@part
class GoogLeNet(NetworkSpec):
    """A stem, stages of modules with max pools between them, average pool, dropout, classifier."""

    widths: Annotated[tuple[Annotated[tuple[Widths, ...], Field(min_length=1)], ...], Field(min_length=1)] = TABLE_1
    """The widths of every module, by stage, in the order of Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool
    projection.
    """

    naive: bool = False
    """Whether the modules have no reductions and no projection (Figure 2(a))."""

    norm: bool = False
    """Whether convolutions have BN instead of a bias."""

    lrn: bool = True
    """Whether the stem has local response normalisation."""

    five: Literal[3, 5] = 5
    """The kernel of the convolutions that are 5x5 in the paper."""

    last_pool: Literal[2, 3] = 3
    """The kernel of the last max pool."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.4
    """The rate of the dropout before the classifier."""

    gate: SkipValidation[Gate | None] = None
    """The gate at the end of every module (SENet, Section 3.3); none: there is no gate."""

    num_classes: Count = 1000
    in_channels: Count = 3

    MODULE: ClassVar[str] = "googlenet:GoogLeNet"
    TRAINING: ClassVar[frozenset[str]] = frozenset({"dropout"})
    WITHOUT: ClassVar[Mapping[str, str]] = {
        "merge": "its branches are concatenated; there is no sum for a merge to act on."
    }

    def problems(self) -> list[str]:
        return misplaced({"gate": self.gate}, optional=("gate",))

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return int(8 * 2 ** (len(self.widths) - 1))

    def auxiliary_heads(self) -> Mapping[str, AuxiliaryHead]:
        """After the first and the last but one module of the second stage: 4a and 4d (Section 5)."""
        if len(self.widths) < 2:
            return {}
        places = {1, max(1, len(self.widths[1]) - 1)}  # module 0 is the pool
        return {f"layer2.{place}": GOOGLENET for place in sorted(places)}

    def path_graph(self) -> PathGraph:
        """The three convolutions of the stem; for each module its four branches; classifier."""
        lengths = (1, 1, 1, 0) if self.naive else (1, 2, 2, 1)
        graph = PathGraph()
        at = graph.chain(0, 3)
        for stage in self.widths:
            for _ in stage:
                at = graph.add(*(Way(at, length) for length in lengths))
        graph.chain(at, 1)
        return graph


table_1 = GoogLeNet()

FAMILY = family(
    "GoogLeNet",
    paper="arXiv 1409.4842",
    input_size=224,
    rows={
        "googlenet": row(
            table_1,
            reading="The paper's network: 5x5 convolutions, biases and no BN. torchvision's network of that name "
            "has BN, 3x3 convolutions instead of 5x5 (a known mistake) and a last pool of 2x2.",
        )
    },
    variants={"torchvision:googlenet": table_1.but(norm=True, lrn=False, five=3, last_pool=2, dropout=0.2)},
)
