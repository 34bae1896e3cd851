"""What the description of a whole network has in common, whatever its topology."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from cardinet.networks.delta import with_delta


class NetworkSpec:
    """Base of the parts that describe whole networks.

    A subclass is a `@part` with the fields `num_classes` and `in_channels` among its own, a `stride` (input pixels
    per pixel of the last feature map) and a `MODULE`: the class in `blocks/` that is called with all fields by name,
    parts among them as constructors with their own fields bound. `WITHOUT` gives the reason where a setting that
    other kinds of networks have makes no sense in this one.
    """

    WITHOUT: ClassVar[Mapping[str, str]] = {}

    num_classes: int
    in_channels: int

    def but(self, **delta: Any) -> Self:
        """The same network with a delta: whole parts, or fields by a short name that exactly one part owns."""
        return with_delta(self, delta)

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        raise NotImplementedError
