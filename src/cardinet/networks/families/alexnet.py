"""AlexNet: Krizhevsky, Sutskever and Hinton 2012, Section 3 (NIPS 2012); Krizhevsky 2014 (arXiv 1404.5997)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SkipValidation

from cardinet.networks.family import family, row
from cardinet.networks.part import Part, misplaced, part
from cardinet.networks.parts.local_response import LocalResponse
from cardinet.networks.path_graph import PathGraph
from cardinet.networks.ranges import Count, undivided_widths
from cardinet.networks.spec import NetworkSpec


@part
class AlexNet(NetworkSpec):
    """Convolutions 11x11 /4, 5x5 and three 3x3 with ReLU, max pools 3x3 /2 after 1, 2 and 5; three linear layers.

    The last feature map is averaged to 6x6, its size for pictures of 227 pixels (224 with a padding of 2).
    """

    widths: tuple[Count, Count, Count, Count, Count] = (96, 256, 384, 384, 256)
    """The channels of the five convolutions."""

    padding: Annotated[int, Field(ge=0, le=5)] = 0
    """The padding of the first convolution in pixels."""

    cardinality: Count = 2
    """The number of groups of convolutions 2, 4 and 5; the authors had one group on each of two GPUs."""

    norm: SkipValidation[Part | None] = LocalResponse()
    """The normalisation between ReLU and pool of the first two convolutions; none: there is none."""

    pool: Literal["ceil", "floor"] = "ceil"
    """What a pool does with an incomplete window at the edge: ceil uses it, floor drops it."""

    drop: Literal["after", "before"] = "after"
    """The place of the dropout (rate 0.5): after the ReLU of both hidden linear layers, or before these layers."""

    num_classes: Count = 1000
    in_channels: Count = 3

    MODULE: ClassVar[str] = "plain:AlexNet"
    TRAINING: ClassVar[frozenset[str]] = frozenset({"drop"})
    WITHOUT: ClassVar[Mapping[str, str]] = {"merge": "it is a plain chain without shortcuts."}

    def problems(self) -> list[str]:
        return [
            *undivided_widths(self.cardinality, self.widths),
            *misplaced({"norm": self.norm}, optional=("norm",)),
        ]

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return 32

    def path_graph(self) -> PathGraph:
        """One chain: the convolutions and three linear layers."""
        graph = PathGraph()
        graph.chain(0, len(self.widths) + 3)
        return graph


two_gpus = AlexNet()
owt = AlexNet(widths=(64, 192, 384, 256, 256), padding=2, cardinality=1, norm=None, pool="floor", drop="before")

FAMILY = family(
    "AlexNet",
    paper="NIPS 2012",
    input_size=227,
    rows={
        "alexnet_2012": row(
            two_gpus,
            reading="The paper says 224 pixels, but its 55x55 maps need 227. The normalisation is the paper's "
            "formula: alpha times a sum, with k = 2. Caffe's network has alpha times a mean, with k = 1 "
            "(alpha=2e-5, k=1).",
        )
    },
    variants={"pytorchcv:alexnet": two_gpus.but(cardinality=1, alpha=2e-5)},
)
ONE_WEIRD_TRICK = family(
    "AlexNet",
    paper="arXiv 1404.5997",
    input_size=224,
    rows={
        "alexnet_owt": row(
            owt,
            "torchvision:alexnet",
            reading="torchvision's network of that name. It has no local response normalisation.",
        )
    },
    variants={"pytorchcv:alexnetb": owt.but(drop="after", pool="ceil")},
)
