"""T, the transform of a residual unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SkipValidation

from cardinet.base.bounds import COUNT
from cardinet.networks.part import SHORTHANDS, Part, misplaced, part
from cardinet.networks.parts.spatial import Grouped
from cardinet.networks.ranges import Count, Rate, at_most


@part
class Transform(Part):
    """T: convolutions with norm and activation between them; one of them is the spatial convolution."""

    kernels: Annotated[tuple[Literal[1, 3, 5, 7], ...], Field(min_length=1)] = (3, 3)
    """The kernel of each convolution."""

    at: Annotated[int, Field(ge=0)] = 0
    """The index of the spatial convolution, from 0."""

    stride_at: Annotated[int, Field(ge=0)] = 0
    """The index of the convolution that has the stride of the unit, from 0."""

    expansion: Count = 1
    """The output width of a unit is the width of its stage times this factor."""

    base_width: Annotated[float, Field(gt=0), at_most(COUNT)] = 64
    """The channels of each group in a stage of width 64. In a stage of width w the inner width is
    floor(w * base_width / 64) * cardinality.
    """

    narrow_first: Annotated[float, Field(gt=0, le=1)] = 1
    """A factor for the width of the first convolution only (SENet-154: 0.5)."""

    dropout: Rate = 0
    """The rate of the dropout before the second convolution (Wide ResNet)."""

    copies: Annotated[int, Field(ge=1, le=64)] = 1
    """The number of transforms that are summed (Multi-ResNet)."""

    form: Literal["a", "b", "c"] = "c"
    """The form in Figure 3 of the ResNeXt paper: c has a grouped convolution; b has branches, concatenated before the
    last 1x1; a has branches that each have their own last 1x1, and are summed.
    """

    spatial: SkipValidation[Part] = Grouped()
    """The part in the place of the spatial convolution."""

    TRAINING: ClassVar[frozenset[str]] = frozenset({"dropout"})
    UNITS: ClassVar[dict[str, str]] = {
        "a": "branches:SummedUnit",
        "b": "branches:ConcatenatedUnit",
        "c": "residual_unit:GroupedUnit",
    }

    @property
    def unit(self) -> str:
        """The class of a unit with this transform, written as a `MODULE`."""
        return "copies:CopiesUnit" if self.copies > 1 else self.UNITS[self.form]

    def inner_width(self, width: int) -> int:
        """D of the paper's templates, e.g. 128 in stage 1 of 32x4d."""
        return int(width * self.base_width / 64) * self.spatial.cardinality

    def channels(self, w_in: int, width: int) -> list[int]:
        """The channels before the first convolution and after each convolution, in a stage of this width."""
        inner, last = self.inner_width(width), len(self.kernels) - 1
        found = [w_in, *[inner] * last, width * self.expansion]
        if last:
            found[1] = int(inner * self.narrow_first)
        return found

    def problems(self) -> list[str]:
        found = misplaced({"spatial": self.spatial})
        placed, last = not found, len(self.kernels) - 1
        for name, index in (("at", self.at), ("stride_at", self.stride_at)):
            if index > last:
                found.append(f"{name} = {index}: the transform has {last + 1} convolutions; give 0 to {last}.")
        if self.dropout and not last:
            found.append(
                f"dropout = {self.dropout:g}: dropout needs two convolutions, and this transform has one; use 0."
            )
        if self.narrow_first != 1 and (not last or self.at == 0):
            found.append(f"narrow_first = {self.narrow_first:g}: only a bottleneck has a convolution to narrow; use 1.")
        return [*found, *(self._problems_of_spatial() if placed else []), *self._problems_of_branches()]

    def _problems_of_spatial(self) -> list[str]:
        """Faults of the part in the place of the spatial convolution, one sentence each."""
        found, kind, last = self.spatial.problems(), type(self.spatial).__name__, len(self.kernels) - 1
        if self.form != "c" and not self.spatial.BRANCHED:
            found.append(f'form = "{self.form}": {kind} has no branches; use form "c".')
        if self.spatial.ACTIVATED and self.at == last:
            found.append(f"spatial = {kind}: it ends in a ReLU, so it cannot be the last convolution; use at = 0.")
        elif self.spatial.ACTIVATED and last > self.at and self.kernels[self.at] != 3:
            found.append(
                f"spatial = {kind}: it replaces a 3x3, but kernel {self.at} is {self.kernels[self.at]}; use 3."
            )
        return found

    def problems_in_stages(self, streams: Sequence[int], widths: Sequence[int], depths: Sequence[int]) -> list[str]:
        """Faults in stages of these widths and depths, one sentence each.

        `streams` are the input channels of the first stage and the output channels of each stage.
        """
        found = [
            f"base_width = {self.base_width:g}: a group has no channel in the stage of width {width}; use "
            f"{-(-64 // width)} or more."
            for width in widths
            if int(width * self.base_width / 64) < 1
        ]
        channels = [
            self.channels(w_in, width)
            for first, out, width, depth in zip(streams, streams[1:], widths, depths, strict=False)
            for w_in in (first, out)[:depth]
        ]
        if self.narrow_first != 1 and any(min(row[:2]) < 1 for row in channels):
            found.append(f"narrow_first = {self.narrow_first:g}: conv1 would have no channel; use a larger factor.")
        if self.at < len(self.kernels):
            found += self.spatial.undivided({row[self.at] for row in channels}, {row[self.at + 1] for row in channels})
        return found

    def _problems_of_branches(self) -> list[str]:
        """Faults of forms a and b, one sentence each."""
        if self.form == "c":
            return []
        found = []
        if self.kernels[0] != 1 or self.kernels[-1] != 1 or len(self.kernels) != 3 or self.at != 1:
            found.append(
                f'form = "{self.form}": only a bottleneck (kernels 1,3,1, at = 1) has this form; use form "c".'
            )
        for name, plain in (("copies", 1), ("narrow_first", 1), ("dropout", 0)):
            if getattr(self, name) != plain:
                found.append(f'form = "{self.form}": this form has no {name}; use form "c".')
        return found


BASIC = Transform()
BOTTLENECK = Transform(kernels=(1, 3, 1), at=1, stride_at=1, expansion=4)

SHORTHANDS["transform"] = {"basic": BASIC, "bottleneck": BOTTLENECK}
