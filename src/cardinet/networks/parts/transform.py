"""T, the transform of a residual unit."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from cardinet.base.bounds import COUNT
from cardinet.networks.numbers import Count, Rate, at_most
from cardinet.networks.part import SHORTHANDS, part
from cardinet.networks.parts.spatial import Grouped


@part
class Transform:
    """T: convolutions with norm and activation between them; the `spatial` one stands at index `at`.

    The inner width of a stage of width w is floor(w * base_width / 64) * cardinality, the output width
    w * expansion; `narrow_first` scales the width of the first convolution alone (SENet-154: 0.5). `stride_at` is
    the index of the convolution that carries the stride of the unit. `dropout` stands before the second
    convolution (Wide ResNet). `copies` transforms are summed (Multi-ResNet).
    `form` is the paper's Figure 3: c grouped convolution, b branches concatenated before the last 1x1,
    a branches that each have their own last 1x1 and are summed.
    """

    kernels: Annotated[tuple[Literal[1, 3, 5, 7], ...], Field(min_length=1)] = (3, 3)
    at: Annotated[int, Field(ge=0)] = 0
    stride_at: Annotated[int, Field(ge=0)] = 0
    expansion: Count = 1
    base_width: Annotated[float, Field(gt=0), at_most(COUNT)] = 64
    narrow_first: Annotated[float, Field(gt=0, le=1)] = 1
    dropout: Rate = 0
    copies: Annotated[int, Field(ge=1, le=64)] = 1
    form: Literal["a", "b", "c"] = "c"
    spatial: Any = Grouped()

    UNITS: ClassVar[dict[str, str]] = {
        "a": "branches:SummedUnit",
        "b": "branches:ConcatenatedUnit",
        "c": "unit:GroupedUnit",
    }

    @property
    def MODULE(self) -> str:
        return "copies:CopiesUnit" if self.copies > 1 else self.UNITS[self.form]

    def inner_width(self, width: int) -> int:
        """D of the paper's templates, e.g. 128 in stage 1 of 32x4d."""
        return int(width * self.base_width / 64) * int(getattr(self.spatial, "cardinality", 1))

    def channels(self, w_in: int, width: int) -> list[int]:
        """The channels before the first convolution and after each, in a stage of a width."""
        inner, last = self.inner_width(width), len(self.kernels) - 1
        found = [w_in, *[inner] * last, width * self.expansion]
        if last:
            found[1] = int(inner * self.narrow_first)
        return found

    def problems(self) -> list[str]:
        """What has no meaning in this transform, one sentence each."""
        found = []
        last = len(self.kernels) - 1
        for name, index in (("at", self.at), ("stride_at", self.stride_at)):
            if index > last:
                found.append(
                    f"{name} = {index}: the transform has {last + 1} convolutions, so 0 to {last} are allowed."
                )
        found += self._of_forms() if self.form != "c" else []
        if self.dropout and not last:
            found.append(f"dropout = {self.dropout:g}: it stands between two convolutions, and this transform has one.")
        if self.narrow_first != 1 and (not last or self.at == 0):
            found.append(f"narrow_first = {self.narrow_first:g}: only a bottleneck has a convolution to narrow; use 1.")
        if getattr(self.spatial, "ACTIVATED", False):
            kind = type(self.spatial).__name__
            if self.at == last:
                found.append(f"spatial = {kind}: it ends in a ReLU, so it cannot be the last convolution; at = 0.")
            elif last >= self.at and self.kernels[self.at] != 3:
                found.append(f"spatial = {kind}: it stands in for a 3x3, and the kernel at {self.at} is another.")
        return found

    def _of_forms(self) -> list[str]:
        found = []
        if self.kernels[0] != 1 or self.kernels[-1] != 1 or len(self.kernels) != 3 or self.at != 1:
            found.append(f'form = "{self.form}": only a bottleneck (kernels 1,3,1) splits into branches; use form "c".')
        if not isinstance(self.spatial, Grouped):
            found.append(f'form = "{self.form}": {type(self.spatial).__name__} has no branches; use form "c".')
        for name, plain in (("copies", 1), ("narrow_first", 1), ("dropout", 0)):
            if getattr(self, name) != plain:
                found.append(f'form = "{self.form}": branches written out know no {name}; use form "c".')
        return found


BASIC = Transform()
BOTTLENECK = Transform(kernels=(1, 3, 1), at=1, stride_at=1, expansion=4)

SHORTHANDS["transform"] = {"basic": BASIC, "bottleneck": BOTTLENECK}
