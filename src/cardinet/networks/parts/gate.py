"""Gates: they weigh the branch before it is joined with the shortcut."""

from __future__ import annotations

from typing import ClassVar

from cardinet.networks.part import Part, part
from cardinet.networks.ranges import Count


class Gate(Part):
    """Base of the gates. A gate's module takes the channels of the branch, and keeps the shape of its input."""

    ROLE: ClassVar[str] = "gate"


@part
class SqueezeExcite(Gate):
    """The gate of SENet (Hu et al. 2017): one weight per channel of the branch, from the channels' means."""

    reduction: Count = 16
    """The divisor of the branch's channels; it gives the units of the hidden layer."""

    MODULE: ClassVar[str] = "gates:SqueezeExcite"
