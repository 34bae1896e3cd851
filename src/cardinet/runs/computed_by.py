"""What computed answers: a runtime and its precision, as answers record it."""

from __future__ import annotations

from torch import nn

from cardinet.base.schemas import Document
from cardinet.measure.memory import precision_of


class ComputedBy(Document):
    """A runtime (`runtimes.RUNTIMES`) and the precision in which it computed."""

    runtime: str = "eager"
    precision: str = "float32"

    @property
    def name(self) -> str:
        return f"{self.runtime} in {self.precision}"


EAGER = ComputedBy()
"""Eager mode in float32, which every network has."""


def computed_by(network: nn.Module) -> ComputedBy:
    """What computes the answers of a network: the runtime that `fast.network` has given it, or eager mode."""
    given = getattr(network, "computed_by", None)
    return given if isinstance(given, ComputedBy) else ComputedBy(precision=_precision(network))


def _precision(network: nn.Module) -> str:
    return str(precision_of(network)).removeprefix("torch.")
