"""Carry: the weights of a shortcut and its branch. Without a shortcut they have no effect."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from cardinet.networks.part import Part, part
from cardinet.networks.ranges import Rate, Share


class Carry(Part):
    """Base of the parts that weigh a shortcut and its branch."""

    ROLE: ClassVar[str] = "carry"


@part
class Scaled(Carry):
    """Constant scaling (He et al. 2016, Section 3.1): skip * shortcut and branch * T."""

    skip: Share = 0.5
    """The factor of the shortcut."""

    branch: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The factor of the branch T."""

    MODULE: ClassVar[str] = "carry:Scaled"

    @property
    def passes(self) -> bool:
        return self.skip > 0

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        if self.skip != 1:
            return [f"carry.skip = {self.skip:g}: a new unit would scale its input, so no unit can be added."]
        return []


@part
class ExclusiveGate(Carry):
    """Exclusive gating (He et al. 2016, Section 3.1): (1 - g) * shortcut and g * T, g = sigmoid(conv1x1)."""

    gate_bias: Annotated[float, Field(ge=-100, le=100)] = -6
    """The initial bias of the gate; below 0 the shortcut passes at first."""

    MODULE: ClassVar[str] = "carry:ExclusiveGate"

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        return [never_open(self)]


@part
class ShortcutGate(Carry):
    """Shortcut-only gating (He et al. 2016, Section 3.1): (1 - g) * shortcut; T stays as it is."""

    gate_bias: Annotated[float, Field(ge=-100, le=100)] = -6
    """The initial bias of the gate; below 0 the shortcut passes at first."""

    MODULE: ClassVar[str] = "carry:ShortcutGate"

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        return [never_open(self)]


@part
class ShortcutDropout(Carry):
    """Dropout on the shortcut (He et al. 2016, Section 3.1)."""

    rate: Rate = 0.5
    """The rate with which elements of the shortcut are dropped in training."""

    MODULE: ClassVar[str] = "carry:ShortcutDropout"
    TRAINING: ClassVar[frozenset[str]] = frozenset({"rate"})

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        if drawing and self.rate:
            return [f"carry.rate = {self.rate:g}: a new unit would drop parts of its input in training; strip first."]
        return []


def never_open(carry: Carry) -> str:
    """Why a learned gate on the shortcut hinders new units."""
    kind = type(carry).__name__
    return f"carry = {kind}: the gate of a new unit never opens the shortcut fully, so no unit can be added."
