"""The way around a transform."""

from __future__ import annotations

from typing import ClassVar, Literal

from cardinet.networks.part import part


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
