"""The residual description: act( shortcut(x) + merge( T_1(x), ..., T_C(x) ) ), stage after stage.

He et al. 2015 (arXiv 1512.03385) and Xie et al. 2016 (arXiv 1611.05431). A named network is a base and a
delta: `resnet50.but(cardinality=32, base_width=4)` is ResNeXt-50 32x4d. Nothing here imports torch.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from cardinet.base.errors import RequestError
from cardinet.networks.part import part
from cardinet.networks.spec import NetworkSpec

Count = Annotated[int, Field(ge=1, le=1_000_000)]


@part
class Grouped:
    """The spatial convolution, in `cardinality` groups (1: an ordinary convolution)."""

    cardinality: Count = 1

    MODULE: ClassVar[str] = "spatial:grouped"


@part
class Transform:
    """T: convolutions with BN, ReLU between them; the `spatial` one stands at index `at`.

    The inner width of a stage of width w is floor(w * base_width / 64) * cardinality, the output width
    w * expansion. `stride_at` is the index of the convolution that carries the stride of the unit.
    `form` is the paper's Figure 3: c grouped convolution, b branches concatenated before the last 1x1,
    a branches that each have their own last 1x1 and are summed.
    """

    kernels: Annotated[tuple[Literal[1, 3, 5, 7], ...], Field(min_length=1)] = (3, 3)
    at: Annotated[int, Field(ge=0)] = 0
    stride_at: Annotated[int, Field(ge=0)] = 0
    expansion: Count = 1
    base_width: Annotated[float, Field(gt=0, le=1_000_000)] = 64
    form: Literal["a", "b", "c"] = "c"
    spatial: Any = Grouped()

    UNITS: ClassVar[dict[str, str]] = {
        "a": "branches:SummedUnit",
        "b": "branches:ConcatenatedUnit",
        "c": "unit:GroupedUnit",
    }

    @property
    def MODULE(self) -> str:
        return self.UNITS[self.form]

    def inner_width(self, width: int) -> int:
        """D of the paper's templates, e.g. 128 in stage 1 of 32x4d."""
        return int(width * self.base_width / 64) * int(getattr(self.spatial, "cardinality", 1))

    def problems(self) -> list[str]:
        """What has no meaning in this transform, one sentence each."""
        found = []
        last = len(self.kernels) - 1
        for name, index in (("at", self.at), ("stride_at", self.stride_at)):
            if index > last:
                found.append(
                    f"{name} = {index}: the transform has {last + 1} convolutions, so 0 to {last} are allowed."
                )
        if self.form != "c":
            if self.kernels[0] != 1 or self.kernels[-1] != 1 or len(self.kernels) != 3 or self.at != 1:
                found.append(
                    f'form = "{self.form}": only a bottleneck (kernels 1,3,1) splits into branches; use form "c".'
                )
            if not isinstance(self.spatial, Grouped):
                found.append(f'form = "{self.form}": {type(self.spatial).__name__} has no branches; use form "c".')
        return found


EXAMPLES = {"gate": "SqueezeExcite(reduction=16)", "merge": "Add()", "spatial": "Grouped(cardinality=32)"}

BASIC = Transform()
BOTTLENECK = Transform(kernels=(1, 3, 1), at=1, stride_at=1, expansion=4)


@part
class Shortcut:
    """The way around T (He et al. 2015, Section 3.3 and 4.1).

    A: identity; where the shape changes every second pixel, new channels zero, at the `end` or half on `both`
    sides. B: identity; where the shape changes a 1x1 convolution with BN. C: a 1x1 convolution with BN
    everywhere. identity: absent where the shape changes. none: absent everywhere (the ablation of ResNeXt).
    """

    kind: Literal["A", "B", "C", "identity", "none"] = "B"
    pad: Literal["end", "both"] = "end"

    MODULE: ClassVar[str] = "shortcut:shortcut"


@part
class SqueezeExcite:
    """The gate of SENet (Hu et al. 2017): one weight per channel of the branch, from its means."""

    reduction: Count = 16

    MODULE: ClassVar[str] = "gates:SqueezeExcite"


@part
class Add:
    """The sum of shortcut and branch."""

    MODULE: ClassVar[str] = "merge:Add"


@part
class Stem:
    """imagenet: 7x7 /2, BN, ReLU, max pool 3x3 /2. cifar: 3x3, BN, ReLU."""

    layout: Literal["imagenet", "cifar"] = "imagenet"
    width: Count = 64

    MODULE: ClassVar[str] = "stem:stem"

    @property
    def stride(self) -> int:
        """Input pixels per pixel that enters the first stage."""
        return 4 if self.layout == "imagenet" else 1


@part
class Residual(NetworkSpec):
    """A residual network: stem, one stage per depth, average pool, classifier.

    The first unit of every stage but the first halves the picture. Raises RequestError when it is made with
    settings that have no meaning together, all of them at once.
    """

    depths: Annotated[tuple[Count, ...], Field(min_length=1)]
    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = (64, 128, 256, 512)
    stem: Any = Stem()
    transform: Transform = BASIC
    shortcut: Any = Shortcut()
    gate: Any = None
    merge: Any = Add()
    num_classes: Count = 1000
    in_channels: Count = 3

    def __post_init__(self) -> None:
        found = [*self._no_parts(), *self.transform.problems()]
        if len(found) > len(self.transform.problems()):
            raise RequestError(*found)  # what follows asks the parts
        if len(self.depths) != len(self.widths):
            found.append(f"depths {self.depths} and widths {self.widths} differ in length; give one of each per stage.")
        cardinality = int(getattr(self.transform.spatial, "cardinality", 1))
        found += [
            f"base_width = {self.transform.base_width:g}: no channel is left for a group in the stage of width "
            f"{width}; the smallest base width for it is {-(-64 // width)}."
            for width in self.widths
            if int(width * self.transform.base_width / 64) < 1
        ]
        outer = [self.stem.width, *(w * self.transform.expansion for w in self.widths)]
        if self.transform.at == 0 and any(width % cardinality for width in outer):
            found.append(f"cardinality = {cardinality} does not divide the {outer} channels that enter the stages.")
        if getattr(self.shortcut, "kind", "") == "A" and outer != sorted(outer):
            found.append(f'shortcut.kind = "A": the channels {outer} shrink, and zero padding only adds; use "B".')
        if found:
            raise RequestError(*found)

    def _no_parts(self) -> list[str]:
        """The fields that hold no part; any part that names its module will do, so that new ones need no change."""
        fields = {"stem": self.stem, "shortcut": self.shortcut, "gate": self.gate, "merge": self.merge}
        fields["spatial"] = self.transform.spatial
        return [
            f"{name} = {value!r}: give a part, such as {name}={EXAMPLES[name]}."
            for name, value in fields.items()
            if not hasattr(value, "MODULE") and not (name == "gate" and value is None)
        ]

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return int(self.stem.stride * 2 ** (len(self.depths) - 1))
