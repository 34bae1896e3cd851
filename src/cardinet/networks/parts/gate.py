"""Gates: what weighs the branch before it meets the shortcut."""

from __future__ import annotations

from typing import ClassVar

from cardinet.networks.part import Part, part
from cardinet.networks.ranges import Count


class Gate(Part):
    """What weighs a branch. Its module is made for the number of channels of the branch, and maps a picture to one."""

    ROLE: ClassVar[str] = "gate"


@part
class SqueezeExcite(Gate):
    """The gate of SENet (Hu et al. 2017): one weight per channel of the branch, from its means."""

    reduction: Count = 16
    """The divisor of the branch's channels that gives the units of the hidden layer."""

    MODULE: ClassVar[str] = "gates:SqueezeExcite"
