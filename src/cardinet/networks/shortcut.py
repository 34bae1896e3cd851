"""The way around a transform, and what weighs it against the branch; where there is no way, nothing is weighed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cardinet.networks.part import part
from cardinet.networks.transform import Rate

Share = Annotated[float, Field(ge=0, le=1)]


@part
class Shortcut:
    """The way around T (He et al. 2015, Section 3.3 and 4.1).

    A: identity; where the shape changes every second pixel (or, with `sample` avg, the mean of 2x2), new channels
    zero, at the `end` or half on `both` sides. B: identity; where the shape changes a projection. C: a projection
    everywhere. identity: absent where the shape changes. none: absent everywhere (the ablation of ResNeXt).
    `project` is the projection: a 1x1 convolution with BN, a bare one (pre-activation units), one after an average
    pool that carries the stride (ResNet-D, ResNeSt), or a 3x3 where it strides (SENet-154). A field that the kind has
    no use for does nothing.
    """

    kind: Literal["A", "B", "C", "identity", "none"] = "B"
    project: Literal["conv bn", "conv", "avg conv bn", "conv3 bn"] = "conv bn"
    sample: Literal["subsample", "avg"] = "subsample"
    pad: Literal["end", "both"] = "end"

    MODULE: ClassVar[str] = "shortcut:shortcut"
    ROLE: ClassVar[str] = "shortcut"


@part
class Scaled:
    """Constant scaling (He et al. 2016, Section 3.1): `skip` times the shortcut, `branch` times T."""

    skip: Share = 0.5
    branch: Annotated[float, Field(gt=0, le=1)] = 0.5

    MODULE: ClassVar[str] = "carry:Scaled"
    ROLE: ClassVar[str] = "carry"


@part
class ExclusiveGate:
    """Exclusive gating (He et al. 2016, Section 3.1): 1 - g times the shortcut, g times T, g = sigmoid(conv1x1)."""

    gate_bias: Annotated[float, Field(ge=-100, le=100)] = -6

    MODULE: ClassVar[str] = "carry:ExclusiveGate"
    ROLE: ClassVar[str] = "carry"


@part
class ShortcutGate:
    """Shortcut-only gating (He et al. 2016, Section 3.1): 1 - g times the shortcut, T as it is."""

    gate_bias: Annotated[float, Field(ge=-100, le=100)] = -6

    MODULE: ClassVar[str] = "carry:ShortcutGate"
    ROLE: ClassVar[str] = "carry"


@part
class ShortcutDropout:
    """Dropout on the shortcut (He et al. 2016, Section 3.1)."""

    rate: Rate = 0.5

    MODULE: ClassVar[str] = "carry:ShortcutDropout"
    ROLE: ClassVar[str] = "carry"
