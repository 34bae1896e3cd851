"""What computed answers: a runtime and its precision, as answers record it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardinet.base.schemas import Document

if TYPE_CHECKING:
    from torch import nn


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
    from cardinet.measure.memory import precision_of  # it imports torch, which readers of answers do not need

    given = getattr(network, "computed_by", None)
    if isinstance(given, ComputedBy):
        return given
    return ComputedBy(precision=str(precision_of(network)).removeprefix("torch."))
