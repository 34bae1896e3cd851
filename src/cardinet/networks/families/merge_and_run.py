"""Merge-and-run: two residual networks whose shallow lines are averaged in every block.

Zhao et al. 2016 (arXiv 1611.07718). It is called DFN-MR in the paper, DMRNet in the second version of the paper, and
"cross" in the authors' code.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import SkipValidation

from cardinet.networks.family import family, row
from cardinet.networks.part import Part, misplaced, part
from cardinet.networks.parts.fused_lines import BARE_BOTTLENECK, STEM_STRIDE, Counts, FusedLines, Layout
from cardinet.networks.parts.merge import Add
from cardinet.networks.path_graph import PathGraph, Way
from cardinet.networks.ranges import Count, Depths
from cardinet.networks.spec import NetworkSpec


@part
class MergeAndRun(NetworkSpec):
    """m = (shallow_1(x1) + shallow_2(x2)) / 2; y1 = relu( m + deep_1(x1) ); y2 = relu( m + deep_2(x2) ).

    Both streams start from the stem. Raises RequestError with all settings that contradict each other, at once.
    """

    depths: Depths
    """The number of blocks in each group."""

    widths: Counts = (16, 32, 64)
    """The channels of each group."""

    layout: Layout = "cifar"
    """The stem, as in `DeeplyFused`."""

    lines: FusedLines = FusedLines()
    """The lines of a block in both streams."""

    join: Literal["add", "concatenate"] = "add"
    """How the streams end. add: the last block has one output, relu( m + deep_1(x1) + deep_2(x2) ). concatenate: the
    pool gets the channels of both.
    """

    merge: SkipValidation[Part] = Add()
    """The way to join m and the deep line of each stream: their sum, or a rule that drops parts of it in training.
    Each stream draws by itself.
    """

    num_classes: Count = 10
    in_channels: Count = 3

    MODULE: ClassVar[str] = "merge_and_run:MergeAndRunNet"

    def problems(self) -> list[str]:
        found = [*self.lines.problems_in_groups(self.depths, self.widths), *misplaced({"merge": self.merge})]
        if self.lines.shallow == "none":
            found.append(
                'shallow = "none": the streams are averaged only in their shallow lines; use "identity" or "1x1".'
            )
        return found

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return int(STEM_STRIDE[self.layout] * 2 ** (len(self.depths) - 1))

    def path_graph(self) -> PathGraph:
        """Stem; two streams, where each reads the shallow lines of both and its own deep line; classifier."""
        graph = PathGraph()
        first = second = graph.chain(0, 1)
        blocks = self.lines.keeps_shape(self.depths, self.widths)
        for i, keeps_shape in enumerate(blocks):
            shallow: tuple[Way, ...] = ()
            if self.lines.has_shallow(keeps_shape=keeps_shape):
                layers = self.lines.shallow_layers(keeps_shape=keeps_shape, first=i == 0)
                shallow = tuple(Way(stream, layers, projection=layers > 0) for stream in (first, second))
            deep = [Way(stream, len(self.lines.kernels), unit=True) for stream in (first, second)]
            if self.join == "add" and i == len(blocks) - 1:
                first = second = graph.add(*shallow, *deep)
            else:
                first, second = (graph.add(*shallow, line) for line in deep)
        graph.add(*(Way(stream, 1) for stream in dict.fromkeys((first, second))))
        return graph


narrow = MergeAndRun(depths=(9, 9, 9))
wide = narrow.but(depths=(5, 5, 5), widths=(64, 128, 256))

FAMILY = family(
    "DeeplyFused",
    paper="arXiv 1611.07718",
    input_size=32,
    rows={
        "dfn_mr1": narrow,
        "dfn_mr2": wide,
        "dfn_mr3": row(
            wide.but(depths=(8, 8, 8)),
            reading="1x1 projections, as in the authors' code, give 24.15M parameters. The authors publish 24.8M, "
            'which is the count with 3x3 projections (shallow = "3x3").',
        ),
    },
)
IMAGENET = family(
    "DeeplyFused",
    paper="arXiv 1611.07718",
    input_size=224,
    rows={
        "dfn_mr_imagenet": row(
            MergeAndRun(depths=(1, 2, 11, 2), widths=(256, 512, 1024, 2048), lines=BARE_BOTTLENECK).but(
                layout="imagenet", join="concatenate", num_classes=1000
            ),
            reading="The authors' code of 2018, which has the published 46.4M parameters: no BN and ReLU in the "
            "stem, no shallow line where the shape changes, and both streams concatenated. Their code of "
            "2016 has projections and adds the streams.",
        )
    },
)
