"""The residual description: after( shortcut(x) + merge( T_1(x), ..., T_C(x) ) ), stage after stage.

He et al. 2015 (arXiv 1512.03385), He et al. 2016 (arXiv 1603.05027) and Xie et al. 2016 (arXiv 1611.05431). A named
network is a base and a delta: `resnet50.but(cardinality=32, base_width=4)` is ResNeXt-50 32x4d. Nothing here imports
torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import Annotated, Any, Literal

from pydantic import Field

from cardinet.base.errors import RequestError
from cardinet.networks.numbers import Count, Depths, Rate
from cardinet.networks.part import misplaced, part
from cardinet.networks.parts import carry as _carry  # noqa: F401 - so that its parts are known
from cardinet.networks.parts.merge import Add, StochasticDepth
from cardinet.networks.parts.order import ORDERS, Order
from cardinet.networks.parts.shortcut import Shortcut
from cardinet.networks.parts.spatial import SplitAttention
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BASIC, Transform
from cardinet.networks.spec import NetworkSpec


@part
class Residual(NetworkSpec):
    """A residual network: stem, one stage per depth, average pool, classifier.

    The first unit of every stage but the first halves the picture. `order` is where norm and activation stand;
    `carry` weighs the shortcut against the branch, `gate` the branch, `merge` joins them; `levels` are shortcuts
    around more than one unit. `conv_bias` gives the convolutions outside of shortcuts a bias; `init_fan` is the side
    from which init = paper scales the convolutions, which papers differ in. Raises RequestError when it is made with
    settings that have no meaning together, all of them at once.
    """

    depths: Depths
    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = (64, 128, 256, 512)
    stem: Any = Stem()
    transform: Transform = BASIC
    order: Order = ORDERS["a"]
    shortcut: Any = Shortcut()
    carry: Any = None
    gate: Any = None
    merge: Any = Add()
    levels: Any = None
    conv_bias: bool = False
    init_fan: Literal["fan_out", "fan_in"] = "fan_out"
    head_dropout: Rate = 0
    num_classes: Count = 1000
    in_channels: Count = 3

    def __post_init__(self) -> None:
        parts = {name: getattr(self, name) for name in ("stem", "shortcut", "carry", "gate", "merge", "levels")}
        parts["spatial"] = self.transform.spatial
        if found := misplaced(parts, optional=("carry", "gate", "levels")):
            raise RequestError(*found, *self.transform.problems())  # what follows asks the parts
        if found := [*self.transform.problems(), *self._of_widths(), *self._of_parts()]:
            raise RequestError(*found)

    def _of_widths(self) -> Iterator[str]:
        """What has no meaning in the numbers of channels."""
        if len(self.depths) != len(self.widths):
            yield f"depths {self.depths} and widths {self.widths} differ in length; give one of each per stage."
        for width in self.widths:
            if int(width * self.transform.base_width / 64) < 1:
                yield (
                    f"base_width = {self.transform.base_width:g}: no channel is left for a group in the stage of width "
                    f"{width}; the smallest base width for it is {-(-64 // width)}."
                )
        entering = [self.stem.w_out, *(w * self.transform.expansion for w in self.widths)]
        if getattr(self.shortcut, "kind", "") == "A" and entering != sorted(entering):
            yield f'shortcut.kind = "A": the channels {entering} shrink, and zero padding only adds; use "B".'
        channels = [
            self.transform.channels(w_in, width)
            for first, out, width, depth in zip(entering, entering[1:], self.widths, self.depths, strict=False)
            for w_in in (first, out)[:depth]
        ]
        if self.transform.narrow_first != 1 and any(min(row[:2]) < 1 for row in channels):
            yield f"narrow_first = {self.transform.narrow_first:g}: conv1 has no channel left; give more."
        if self.transform.at < len(self.transform.kernels):
            before, after = ({row[self.transform.at + i] for row in channels} for i in (0, 1))
            yield from self._of_groups(before, after)

    def _of_groups(self, before: set[int], after: set[int]) -> Iterator[str]:
        """Which of the channels around the spatial convolution its groups do not divide."""
        spatial = self.transform.spatial
        cardinality, radix = (int(getattr(spatial, name, 1)) for name in ("cardinality", "radix"))
        asked = f"cardinality = {cardinality}" + (f" times radix = {radix}" if radix > 1 else "")
        places = [(asked, cardinality * radix, before, "before the spatial convolution")]
        places.append((f"cardinality = {cardinality}", cardinality, after, "after the spatial convolution"))
        if isinstance(spatial, SplitAttention):
            hidden = {spatial.hidden_width(channels) for channels in after}
            places.append((f"cardinality = {cardinality}", cardinality, hidden, "within the split attention"))
        for name, groups, channels, place in places:
            if wrong := sorted(width for width in channels if width % groups):
                yield f"{name} does not divide the {wrong} channels {place}; use {gcd(groups, *wrong)}."

    def _of_parts(self) -> Iterator[str]:
        """What has no meaning between the parts."""
        if getattr(self.shortcut, "kind", "") == "none":
            for name, plain in (("merge", isinstance(self.merge, Add)), ("carry", self.carry is None)):
                if not plain:
                    kind = type(getattr(self, name)).__name__
                    yield f'{name} = {kind}: with shortcut.kind = "none" there is nothing beside the branch; use "B".'
        if isinstance(self.merge, StochasticDepth) and getattr(self.carry, "skip", 1) == 0:
            yield "merge = StochasticDepth: with carry.skip = 0 nothing passes a closed unit; use Add()."
        around: tuple[str, ...] = getattr(self.levels, "around", ())
        if len(set(around)) < len(around):
            yield f'levels.around = {around}: it names a level twice; give ("{around[0]}",).'
        if self.transform.form != "c" and self.conv_bias:
            yield f'form = "{self.transform.form}": branches written out have no biases; use form "c".'
        if self.transform.form != "c" and self.order != ORDERS["a"]:
            yield f'form = "{self.transform.form}": branches written out have the original order; use form "c".'
        if self.order.pre and (self.order.boundary, self.stem.words) in (("fb", ""), ("he", "bn relu")):
            first = "has no activation of its own" if self.order.boundary == "fb" else "activates a bare stem"
            yield f'stem.words = "{self.stem.words}": the first unit ({self.order.boundary}) {first}; use "auto".'

    @property
    def stem_words(self) -> str:
        """What follows the stem's convolution."""
        if self.stem.words != "auto":
            return str(self.stem.words)
        return "" if self.order.pre and self.order.boundary != "fb" else "bn relu"

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return int(self.stem.stride * 2 ** (len(self.depths) - 1))
