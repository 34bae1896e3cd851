"""Highway networks: Srivastava, Greff and Schmidhuber 2015 (arXiv 1505.00387, 1507.06228), convolutional.

The rows follow the authors' Caffe files. They decay the classifier's weights ten times as much as the others, give
biases twice the rate and no decay, and train on globally contrast-normalised pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from cardinet.networks.family import family, row
from cardinet.networks.numbers import Count, Depths, Rate
from cardinet.networks.part import part
from cardinet.networks.spec import NetworkSpec

Std = Annotated[float, Field(gt=0, le=1_000_000)]


@part
class Highway(NetworkSpec):
    """A plain convolution with ReLU, then stages of highway layers y = t * h + (1 - t) * x.

    `first` is kernel and padding of the first convolution. A stage of another width begins with a plain 3x3
    convolution and ReLU, as highway layers keep the shape; it ends in a max pool of stride 2 and window `pools`
    (0: none). Then a 1x1 convolution to `narrow` channels with ReLU (None: none), the average to `side` x `side`
    pixels and the classifier. `dropout` has the rates on the picture, after each pool but the last stage's, and
    before the classifier. `transform_bias` is where the bias of the gates starts, below 0 for layers that carry.
    `stds` are those of the first convolution (None: as the others) and the classifier under init = paper.
    """

    depths: Depths
    widths: Annotated[tuple[Count, ...], Field(min_length=1)]
    pools: Annotated[tuple[Literal[0, 2, 3], ...], Field(min_length=1)]
    dropout: Annotated[tuple[Rate, ...], Field(min_length=2)]
    first: tuple[Literal[1, 3, 5, 7], Literal[0, 1, 2, 3]] = (3, 1)
    narrow: Count | None = None
    side: Count = 1
    transform_bias: Annotated[float, Field(ge=-100, le=100)] = -2
    stds: tuple[Std | None, Std] = (None, 0.05)
    num_classes: Count = 10
    in_channels: Count = 3

    MODULE: ClassVar[str] = "highway:Highway"
    TRAINING: ClassVar[frozenset[str]] = frozenset({"dropout", "transform_bias", "stds"})
    WITHOUT: ClassVar[Mapping[str, str]] = {
        "merge": "a learned gate weighs carry and transform already, and they add up to one."
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
            reading="The authors' file; the 0.05 that it names for the first convolution stands in a field that "
            "Caffe's Gaussian does not read, so that their weights started with std 1.",
        )
    },
    unbuildable={"highway32_cifar10": "the widths of its layers were never published, in the papers or the code."},
)
MNIST = family("Highway", paper="arXiv 1507.06228", input_size=28, rows={"highway10_mnist": highway10})
