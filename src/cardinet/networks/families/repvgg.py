"""RepVGG: Ding et al. 2021, Table 2 (arXiv 2101.03697); a plain stack that has branches only in training.

The authors use no weight decay for biases and for the BN weights of the 3x3 and 1x1 branches. They do use it for the
BN weights of identity branches.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, SkipValidation

from cardinet.networks.family import family, row
from cardinet.networks.part import misplaced, part
from cardinet.networks.parts.gate import Gate, SqueezeExcite
from cardinet.networks.path_graph import PathGraph, Way
from cardinet.networks.ranges import Count, Depths, undivided_widths, unequal
from cardinet.networks.spec import NetworkSpec


@part
class RepVGG(NetworkSpec):
    """Stage 0 of one block, one stage per depth, average pool, classifier.

    Every stage, stage 0 too, begins with a block of stride 2.
    """

    depths: Depths
    """The number of blocks in each stage after stage 0, which has one."""

    widths: Annotated[tuple[Count, ...], Field(min_length=1)]
    """The channels of each stage after stage 0; stage 0 has those of the first, but at most 64."""

    cardinality: Count = 1
    """The groups of the convolutions in blocks 2, 4, 6, ...; block 0 is stage 0."""

    gate: SkipValidation[Gate | None] = None
    """The gate before the activation of a block; none: there is no gate."""

    form: Literal["training", "deployment"] = "training"
    """The form of a block: training has a 3x3, a 1x1 and an identity branch, each with a BN; deployment has a
    single 3x3 that computes the same.
    """

    num_classes: Count = 1000
    in_channels: Count = 3

    MODULE: ClassVar[str] = "repvgg:RepVGG"
    WITHOUT: ClassVar[Mapping[str, str]] = {
        "merge": "its branches become one convolution, which is not possible if a rule drops some of them."
    }

    def problems(self) -> list[str]:
        return [
            *unequal(self.depths, self.widths, "stage"),
            *undivided_widths(self.cardinality, (min(64, self.widths[0]), *self.widths)),
            *misplaced({"gate": self.gate}, optional=("gate",)),
        ]

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return int(2 ** (len(self.depths) + 1))

    def path_graph(self) -> PathGraph:
        """For each block its branches in this form, with the 3x3 as the branch of the unit; classifier."""
        graph = PathGraph()
        at = 0
        for depth in (1, *self.depths):
            for index in range(depth):
                ways = [Way(at, 1, unit=True)]
                if self.form == "training":
                    ways.append(Way(at, 1, projection=True))
                    ways += [Way(at)] if index > 0 else []
                at = graph.add(*ways)
        graph.chain(at, 1)
        return graph

    def without_shortcuts(self) -> Self | None:
        """The deployment form: one convolution a block."""
        return None if self.form == "deployment" else self.but(form="deployment")


A, B, D = (2, 4, 14, 1), (4, 6, 16, 1), (8, 14, 24, 1)
"""The paper's depths."""


def repvgg(depths: tuple[int, ...], a: float, b: float) -> RepVGG:
    """The network with the paper's width multipliers: a for stages 1 to 3, b for the last stage."""
    return RepVGG(depths=depths, widths=(int(64 * a), int(128 * a), int(256 * a), int(512 * b)))


b1, b2, b3 = repvgg(B, 2, 4), repvgg(B, 2.5, 5), repvgg(B, 3, 5)

deployed = partial(row, printed_form={"form": "deployment"})

FAMILY = family(
    "RepVGG",
    paper="arXiv 2101.03697",
    input_size=224,
    rows={
        "repvgg_a0": deployed(repvgg(A, 0.75, 2.5), "timm:repvgg_a0"),
        "repvgg_a1": deployed(repvgg(A, 1, 2.5), "timm:repvgg_a1"),
        "repvgg_a2": deployed(repvgg(A, 1.5, 2.75), "timm:repvgg_a2"),
        "repvgg_b0": deployed(repvgg(B, 1, 2.5), "timm:repvgg_b0"),
        "repvgg_b1": deployed(b1, "timm:repvgg_b1"),
        "repvgg_b2": deployed(b2, "timm:repvgg_b2"),
        "repvgg_b3": deployed(b3, "timm:repvgg_b3"),
        "repvgg_b1g2": deployed(b1.but(cardinality=2)),
        "repvgg_b1g4": deployed(b1.but(cardinality=4), "timm:repvgg_b1g4"),
        "repvgg_b2g2": deployed(b2.but(cardinality=2)),
        "repvgg_b2g4": deployed(b2.but(cardinality=4), "timm:repvgg_b2g4"),
        "repvgg_b3g2": deployed(b3.but(cardinality=2)),
        "repvgg_b3g4": deployed(b3.but(cardinality=4), "timm:repvgg_b3g4"),
    },
)
D2SE = family(
    "RepVGG",
    paper="arXiv 2101.03697; the authors' repository",
    input_size=224,
    rows={
        "repvgg_d2se": row(
            repvgg(D, 2.5, 5).but(gate=SqueezeExcite(reduction=16)),
            "timm:repvgg_d2se",
            reading="This network is newer than the paper. Only the count of its training form is published.",
        )
    },
)
