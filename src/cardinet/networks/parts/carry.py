"""What weighs a shortcut against its branch; where there is no way around, nothing is weighed."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from cardinet.networks.numbers import Rate, Share
from cardinet.networks.part import part


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
