"""GoogLeNet: Szegedy et al. 2014 (arXiv 1409.4842), Table 1. Convolutions with bias and without BN.

The two auxiliary heads are left out, as they are of the count. Pools round up as in Caffe, so 224 pixels end in 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SkipValidation

from cardinet.networks.family import family, row
from cardinet.networks.numbers import Count
from cardinet.networks.part import misplaced, part
from cardinet.networks.parts.gate import Gate
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
    """A stem, stages of modules with max pools between them, average pool, dropout, classifier.

    A module's widths are Table 1's columns: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection. `naive` leaves
    the reductions and the projection out (Figure 2(a)), `norm` puts BN for the biases, `lrn` is the response
    normalisation in the stem, `five` the kernel of the 5x5 and `last_pool` that of the last max pool. A `gate` ends
    every module (SENet, Section 3.3).
    """

    widths: Annotated[tuple[Annotated[tuple[Widths, ...], Field(min_length=1)], ...], Field(min_length=1)] = TABLE_1
    naive: bool = False
    norm: bool = False
    lrn: bool = True
    five: Literal[3, 5] = 5
    last_pool: Literal[2, 3] = 3
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.4
    gate: SkipValidation[Gate | None] = None
    num_classes: Count = 1000
    in_channels: Count = 3

    MODULE: ClassVar[str] = "googlenet:GoogLeNet"
    TRAINING: ClassVar[frozenset[str]] = frozenset({"dropout"})
    WITHOUT: ClassVar[Mapping[str, str]] = {
        "merge": "its branches are concatenated, so there is no sum of which a rule could drop a part."
    }

    def problems(self) -> list[str]:
        return misplaced({"gate": self.gate}, optional=("gate",))

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return int(8 * 2 ** (len(self.widths) - 1))


table_1 = GoogLeNet()

FAMILY = family(
    "GoogLeNet",
    paper="arXiv 1409.4842",
    input_size=224,
    rows={
        "googlenet": row(
            table_1,
            reading="The paper's network with 5x5 convolutions, biases and no BN. torchvision's network of that name "
            "has BN, 3x3 in place of the 5x5 (a known mistake) and a last pool of 2x2.",
        )
    },
    variants={"torchvision:googlenet": table_1.but(norm=True, lrn=False, five=3, last_pool=2, dropout=0.2)},
)
