"""Deeply-fused nets: base networks run in parallel and are summed after every block.

Wang et al. 2016 (arXiv 1605.07716) and Zhao et al. 2016 (arXiv 1611.07718). The rows follow the code of the latter
(zlmzju/fusenet). Plain, residual, inception-like and fused nets differ only in the lines that their blocks sum. Nets
with two streams that stay separate are in `merge_and_run`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, SkipValidation

from cardinet.base.errors import RequestError
from cardinet.networks.family import family, row
from cardinet.networks.part import Part, misplaced, part
from cardinet.networks.parts.fused_lines import BARE_BOTTLENECK, STEM_STRIDE, Counts, FusedLines, Layout
from cardinet.networks.parts.merge import Add
from cardinet.networks.path_graph import PathGraph, Way
from cardinet.networks.ranges import Count, Depths
from cardinet.networks.spec import NetworkSpec


@part
class DeeplyFused(NetworkSpec):
    """y = relu( merge( shallow(x), deep_1(x) + ... + deep_branches(x) ) ), block after block; merge is the sum.

    The stem has widths[0] / reduction channels. The first block of every group after group 1 halves the
    picture. Raises RequestError with all settings that contradict each other, at once.
    """

    depths: Depths
    """The number of blocks in each group."""

    widths: Counts = (16, 32, 64)
    """The channels of each group."""

    layout: Layout = "cifar"
    """The stem: cifar is a 3x3 convolution, BN and ReLU; imagenet a 7x7 /2 without BN and ReLU, and a max pool 3x3
    /2.
    """

    lines: FusedLines = FusedLines()
    """The lines of a block."""

    branches: Annotated[int, Field(ge=1, le=64)] = 1
    """The number of deep lines in a block."""

    path: tuple[str, ...] = ()
    """The name of one line for every block; the network is then the base network of these lines. Empty: all lines."""

    merge: SkipValidation[Part] = Add()
    """The way to join the two sides of a block: their sum, or a rule that drops parts of it in training."""

    num_classes: Count = 10
    in_channels: Count = 3

    MODULE: ClassVar[str] = "deeply_fused:DeeplyFusedNet"

    def problems(self) -> list[str]:
        wrong = misplaced({"merge": self.merge})
        found = [*self.lines.problems_in_groups(self.depths, self.widths), *wrong]
        blocks = self.choices
        if not wrong and (self.path or self.lines.shallow == "none") and self.merge.JOINS:
            why = (
                "a base network has one line a block" if self.path else 'with shallow = "none" there is no shallow line'
            )
            found.append(f"merge = {type(self.merge).__name__}: {why}, so there is nothing to join; use Add().")
        if self.path and len(self.path) != len(blocks):
            found.append(f"path has {len(self.path)} names; give one for each of the {len(blocks)} blocks.")
        elif not found:
            found += [
                f'path: block {i} has no line "{name}"; it has {", ".join(names)}.'
                for i, (name, names) in enumerate(zip(self.path, blocks, strict=False), 1)
                if name not in names
            ]
        return found

    @property
    def choices(self) -> tuple[tuple[str, ...], ...]:
        """The names of the lines of every block. One name for each block is a path: a base network of the ensemble."""
        deep = tuple(f"deep{i}" for i in range(1, self.branches + 1))
        around = [self.lines.has_shallow(keeps_shape=keeps) for keeps in self.keeps_shape]
        return tuple(("shallow", *deep) if beside else deep for beside in around)

    @property
    def keeps_shape(self) -> tuple[bool, ...]:
        """For each block whether its input and its output have the same shape."""
        return self.lines.keeps_shape(self.depths, self.widths)

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return int(STEM_STRIDE[self.layout] * 2 ** (len(self.depths) - 1))

    def path_graph(self) -> PathGraph:
        """Stem; for each block its lines; classifier."""
        graph = PathGraph()
        at = graph.chain(0, 1)
        for i, (names, keeps_shape) in enumerate(zip(self.choices, self.keeps_shape, strict=True)):
            chosen = names if not self.path else (self.path[i],)
            layers = self.lines.shallow_layers(keeps_shape=keeps_shape, first=i == 0)
            shallow = Way(at, layers, projection=layers > 0)
            deep = Way(at, len(self.lines.kernels), unit=True)
            at = graph.add(*(shallow if name == "shallow" else deep for name in chosen))
        graph.chain(at, 1)
        return graph

    def without_shortcuts(self) -> Self | None:
        if self.path or self.lines.shallow == "none":
            return None
        return self.but(shallow="none", merge=Add())


def fuse(depth: int, segments: int) -> DeeplyFused:
    """A plain network of `depth` layers in equal segments; beside each is a shallow line of at most one convolution.

    Raises RequestError where stem, segments in three groups and classifier do not add up to the depth.
    """
    length, rest = divmod(depth - 2, max(segments, 1))
    found = []
    if segments < 3 or segments % 3:
        found.append(f"segments = {segments}: the three groups need equal numbers of segments; use a multiple of 3.")
    if rest or length < 1:
        lower = max(length, 1) * segments + 2
        found.append(
            f"depth = {depth}: {segments} segments do not divide the {depth - 2} layers between stem and classifier; "
            f"use {lower} or {lower + segments}."
        )
    if found:
        raise RequestError(*found)
    return DeeplyFused(depths=(segments // 3,) * 3).but(kernels=(3,) * length, shallow="3x3-first")


residual = DeeplyFused(depths=(18, 18, 18))
inception_like = DeeplyFused(depths=(9, 9, 9), branches=2)

FAMILY = family(
    "DeeplyFused",
    paper="arXiv 1611.07718",
    input_size=32,
    rows={
        "fusenet_resnet110": residual,
        "dfn_il1": inception_like,
        "dfn_il1_side": row(
            inception_like.but(shallow="none"),
            reading="The authors' code (network/side.py): the form without identities, at the depth of dfn_il1.",
        ),
        "fusenet_plain26": row(
            DeeplyFused(depths=(8, 8, 8), lines=FusedLines(kernels=(3,), shallow="none")),
            reading="The authors' code (network/plain.py) at the depth of its drawing; no paper has its count.",
        ),
        "fusenet_fuse3_26": row(
            fuse(26, 3),
            reading="The authors' code (network/fuse3.py) at the depth of its drawing; no paper has its count.",
        ),
        "fusenet_fuse3_50": row(
            fuse(50, 3), reading="The authors' code (network/fuse3.py) at its default depth; no paper has its count."
        ),
        "fusenet_fuse6_26": row(
            fuse(26, 6),
            reading="The authors' code (network/fuse6.py) at the depth of its drawing; no paper has its count.",
        ),
        "fusenet_fuse6_50": row(
            fuse(50, 6), reading="The authors' code (network/fuse6.py) at its default depth; no paper has its count."
        ),
    },
    unbuildable={
        "dfn_original": "the nets of arXiv 1605.07716 (N13N19 and others) were never published layer by layer; "
        "fusenet_fuse3_26 and fusenet_fuse6_26 are the nearest that the authors' code has."
    },
)
IMAGENET = family(
    "DeeplyFused",
    paper="arXiv 1611.07718",
    input_size=224,
    rows={
        "resnet98_dfn_baseline": row(
            DeeplyFused(depths=(2, 4, 22, 4), widths=(256, 512, 1024, 2048), lines=BARE_BOTTLENECK).but(
                layout="imagenet", num_classes=1000
            ),
            reading="There is no shortcut where the shape changes, and the stem has no BN and ReLU, as in the "
            "authors' code of dfn_mr_imagenet. This gives the published 45.0M parameters. The projections "
            "of their symbol_resnet.py give 47.8M.",
        )
    },
)
