"""Highway networks: Srivastava, Greff and Schmidhuber 2015 (arXiv 1505.00387, 1507.06228), convolutional.

The rows follow the authors' Caffe files. These files use ten times the weight decay for the classifier, no decay and
twice the learning rate for biases, and globally contrast-normalised pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from cardinet.networks.family import family, row
from cardinet.networks.part import part
from cardinet.networks.path_graph import PathGraph, Way
from cardinet.networks.ranges import NONE_AS_A_WORD, Count, Depths, Rate
from cardinet.networks.spec import NetworkSpec

Std = Annotated[float, Field(gt=0, le=1_000_000)]


@part
class Highway(NetworkSpec):
    """A plain convolution with ReLU, then stages of highway layers y = t * h + (1 - t) * x, average pool, classifier.

    A highway layer keeps the shape, so plain layers change the channels and pools change the size.
    """

    depths: Depths
    """The number of highway layers in each stage."""

    widths: Annotated[tuple[Count, ...], Field(min_length=1)]
    """The channels of each stage; where they change, a plain 3x3 convolution with ReLU begins the stage."""

    pools: Annotated[tuple[Literal[0, 2, 3], ...], Field(min_length=1)]
    """The window of the max pool with stride 2 at the end of each stage; 0: the stage has no pool."""

    dropout: Annotated[tuple[Rate, ...], Field(min_length=2)]
    """The rates of the dropout: on the picture, after the pool of each stage except the last, and before the
    classifier.
    """

    first: tuple[Literal[1, 3, 5, 7], Literal[0, 1, 2, 3]] = (3, 1)
    """The kernel and the padding of the first convolution."""

    narrow: Count | None = None
    """The channels of a 1x1 convolution with ReLU after the stages; none: there is no such layer."""

    side: Count = 1
    """The side in pixels of the averaged map before the classifier."""

    transform_bias: Annotated[float, Field(ge=-100, le=100)] = -2
    """The initial bias of the gates; below 0 the layers pass their input on at first."""

    stds: tuple[Annotated[Std | None, NONE_AS_A_WORD], Std] = (None, 0.05)
    """The standard deviations of the initial weights of the first convolution and the classifier with init = paper;
    none: the same rule as for the other convolutions.
    """

    num_classes: Count = 10
    in_channels: Count = 3

    MODULE: ClassVar[str] = "highway:Highway"
    TRAINING: ClassVar[frozenset[str]] = frozenset({"dropout", "transform_bias", "stds"})
    WITHOUT: ClassVar[Mapping[str, str]] = {
        "merge": "a learned gate already weighs input and transform with weights that add up to one."
    }

    def problems(self) -> list[str]:
        stages = len(self.depths)
        sizes: dict[str, tuple[tuple[Any, ...], int]] = {
            "widths": (self.widths, stages),
            "pools": (self.pools, stages),
            "dropout": (self.dropout, stages + 1),
        }
        return [
            f"{name} = {value}: {stages} stages (depths {self.depths}) need {length} of them."
            for name, (value, length) in sizes.items()
            if len(value) != length
        ]

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return int(2 ** sum(pool > 0 for pool in self.pools))

    def path_graph(self) -> PathGraph:
        """Plain convolutions where the width changes; each highway layer, transform and carry; classifier."""
        graph = PathGraph()
        at, w_in = 0, None
        for depth, width in zip(self.depths, self.widths, strict=True):
            at = graph.chain(at, int(width != w_in))
            for _ in range(depth):
                at = graph.add(Way(at), Way(at, 1, unit=True))
            w_in = width
        graph.chain(at, 1 + (self.narrow is not None))
        return graph


highway19 = Highway(
    depths=(4, 5, 5),
    widths=(32, 80, 128),
    pools=(2, 2, 0),
    dropout=(0.2, 0.2, 0.2, 0.2),
    narrow=100,
    stds=(1, 0.05),
)
highway10 = Highway(
    depths=(2, 3, 3),
    widths=(32, 32, 32),
    pools=(3, 3, 2),
    dropout=(0.2, 0.3, 0.4, 0.5),
    first=(5, 0),
    side=3,
    transform_bias=-1,
    stds=(None, 0.1),
    in_channels=1,
)

FAMILY = family(
    "Highway",
    paper="arXiv 1507.06228",
    input_size=32,
    rows={
        "highway19_cifar10": row(
            highway19,
            reading="The authors' file. It gives the first convolution 0.05 in a field that Caffe's Gaussian does "
            "not read, so these weights started with std 1.",
        )
    },
    unbuildable={"highway32_cifar10": "the widths of its layers were never published, in the papers or the code."},
)
MNIST = family("Highway", paper="arXiv 1507.06228", input_size=28, rows={"highway10_mnist": highway10})
