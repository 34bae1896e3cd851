"""The residual description: after( shortcut(x) + merge( T_1(x), ..., T_C(x) ) ), stage after stage.

He et al. 2015 (arXiv 1512.03385), He et al. 2016 (arXiv 1603.05027) and Xie et al. 2016 (arXiv 1611.05431). A named
network is a base and a delta: `resnet50.but(cardinality=32, base_width=4)` is ResNeXt-50 32x4d. Nothing here imports
torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, SkipValidation

from cardinet.networks.part import Part, misplaced, part
from cardinet.networks.parts.carry import Carry
from cardinet.networks.parts.gate import Gate
from cardinet.networks.parts.levels import Levels
from cardinet.networks.parts.merge import Add
from cardinet.networks.parts.order import ORDERS, Order
from cardinet.networks.parts.shortcut import Shortcut
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BASIC, Transform
from cardinet.networks.path_graph import PathGraph, Way
from cardinet.networks.ranges import Count, Depths, Rate, unequal
from cardinet.networks.spec import NetworkSpec


@part
class Residual(NetworkSpec):
    """A residual network: stem, one stage per depth, average pool, classifier.

    The first unit of every stage after stage 1 halves the picture. Raises RequestError with all settings that
    contradict each other, at once.
    """

    depths: Depths
    """The number of units in each stage."""

    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = (64, 128, 256, 512)
    """The base width of each stage in channels; the transform computes its widths from it."""

    stem: SkipValidation[Stem] = Stem()
    """The layers before the stages."""

    transform: Transform = BASIC
    """The branch T of a unit; basic has two 3x3 convolutions, bottleneck 1x1, 3x3 and 1x1."""

    order: Order = ORDERS["a"]
    """The places of norm and activation in a unit; the words a to e are those of He et al. 2016, Figure 4 (e: full
    pre-activation).
    """

    shortcut: SkipValidation[Part] = Shortcut()
    """The shortcut around the branch of a unit."""

    carry: SkipValidation[Carry | None] = None
    """The weights of shortcut and branch; none: both are added as they are."""

    gate: SkipValidation[Gate | None] = None
    """The gate that weighs the branch before it is joined with the shortcut; none: it stays as it is."""

    merge: SkipValidation[Part] = Add()
    """The way to join shortcut and branch: their sum, or a rule that drops parts of it in training."""

    levels: SkipValidation[Levels | None] = None
    """Shortcuts around more than one unit; none: only units have shortcuts."""

    conv_bias: bool = False
    """Whether the convolutions outside of shortcuts have a bias."""

    init_fan: Literal["fan_out", "fan_in"] = "fan_out"
    """The side of a convolution whose size scales its initial weights with init = paper."""

    head_dropout: Rate = 0
    """The rate of the dropout before the classifier."""

    num_classes: Count = 1000
    in_channels: Count = 3

    TRAINING: ClassVar[frozenset[str]] = frozenset({"head_dropout"})

    def problems(self) -> list[str]:
        beside = {name: getattr(self, name) for name in ("stem", "shortcut", "carry", "gate", "merge", "levels")}
        found = misplaced(beside, optional=("carry", "gate", "levels"))
        if found or misplaced({"spatial": self.transform.spatial}):
            return [*found, *self.transform.problems()]  # the checks below need valid parts
        parts = [self.transform, self.order, *beside.values()]
        return [
            *(problem for part in parts if part is not None for problem in part.problems()),
            *unequal(self.depths, self.widths, "stage"),
            *self.shortcut.problems_along(self.streams),
            *self.transform.problems_in_stages(self.streams, self.widths, self.depths),
            *self.order.problems_with_stem(self.stem.words),
            *self._problems_between(),
        ]

    def _problems_between(self) -> Iterator[str]:
        """Settings of two parts that contradict each other, one sentence each."""
        joining = {"merge": self.merge if self.merge.JOINS else None, "carry": self.carry}
        for name, joins in joining.items():
            if self.shortcut.absent and joins is not None:
                kind = type(joins).__name__
                yield f'{name} = {kind}: with shortcut.kind = "none" there is no shortcut to join or weigh; use "B".'
        if self.merge.CLOSES and self.carry is not None and not self.carry.passes:
            kind = type(self.merge).__name__
            yield f"merge = {kind}: with carry.skip = 0 a closed unit lets nothing through; use merge = Add()."
        if self.transform.form != "c" and self.conv_bias:
            yield f'form = "{self.transform.form}": this form has no biases; use form "c".'
        if self.transform.form != "c" and self.order != ORDERS["a"]:
            yield f'form = "{self.transform.form}": this form has only the original order ("a"); use form "c".'

    def idle(self, other: Self) -> frozenset[str]:
        return frozenset({"stem.words"}) if self.stem_words == other.stem_words else frozenset()

    @property
    def unit_parts(self) -> tuple[Part, ...]:
        """The parts of a unit."""
        parts = (self.order, self.shortcut, self.carry, self.gate, self.merge, self.transform, self.transform.spatial)
        return tuple(part for part in parts if part is not None)

    @property
    def cardinality(self) -> int:
        """The number of groups of the spatial convolutions: C of the aggregated transforms."""
        return self.transform.spatial.cardinality

    @property
    def streams(self) -> list[int]:
        """The output channels of the stem and of each stage; shortcuts carry them."""
        return [self.stem.w_out, *(width * self.transform.expansion for width in self.widths)]

    @property
    def stem_words(self) -> str:
        """The norm and activation after the stem's convolution: "bn relu" or none."""
        return self.order.after_stem(self.stem.words)

    @property
    def pooled(self) -> bool:
        """Whether the stages after stage 1 begin with a pool instead of a unit with stride 2."""
        return self.levels is not None and self.levels.shrink == "max"

    def activates_after_level(self, stage: int, index: int) -> bool:
        """Whether a unit is the last of a level, so that its activation comes after the sum of the level instead."""
        if self.levels is None or index < self.depths[stage] - 1:
            return False
        return "stage" in self.levels.around or stage == len(self.depths) - 1

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return int(self.stem.stride * 2 ** (len(self.depths) - 1))

    def path_graph(self) -> PathGraph:
        """Stem; for each unit its branch and its shortcut; the projections of the levels; classifier."""
        graph = PathGraph()
        at = start = graph.chain(0, self.stem.layers)
        around = () if self.levels is None else self.levels.around
        for stage, depth in enumerate(self.depths):
            entry = at
            for index in range(depth):
                w_in, w_out = self.streams[stage : stage + 2]
                keeps_shape = index > 0 or (w_in == w_out and (stage == 0 or self.pooled))
                at = graph.add(*self._ways(at, keeps_shape=keeps_shape))
            if "stage" in around:
                at = graph.add(Way(at), Way(entry, 1, projection=True))
        if "network" in around:
            at = graph.add(Way(at), Way(start, 1, projection=True))
        graph.chain(at, 1)
        return graph

    def without_shortcuts(self) -> Self | None:
        if self.shortcut.absent:
            return None
        return self.but(kind="none", carry=None, merge=Add(), levels=None)

    def _ways(self, start: int, *, keeps_shape: bool) -> tuple[Way, ...]:
        """The ways through a unit: its branch, and its shortcut if it has one."""
        transform = self.transform
        branch = Way(
            start,
            len(transform.kernels),
            unit=True,
            times=transform.copies * transform.spatial.kernels_side_by_side,
            transforms=transform.spatial.transforms,
        )
        projections = self.shortcut.projections(keeps_shape=keeps_shape)
        return (branch,) if projections is None else (Way(start, projections, projection=projections > 0), branch)
