"""What the description of a whole network has in common, whatever its topology."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from cardinet.base.errors import RequestError
from cardinet.networks.delta import with_delta
from cardinet.networks.part import Part


class NetworkSpec(Part):
    """Base of the parts that describe whole networks.

    A subclass is a `@part` with the fields `num_classes` and `in_channels` among its own, a `stride` (input pixels
    per pixel of the last feature map) and a `MODULE`: the class in `blocks/` that is made from one object, which has
    all fields by name, the parts among them as constructors. Raises RequestError when it is made with settings that
    have no meaning together (`problems`), all of them at once.
    """

    ROLE: ClassVar[str] = "network"

    num_classes: int
    """The number of classes; training takes it from the pictures."""

    in_channels: int
    """The channels of the input, 3 for colours and 1 for grey; training takes them from the pictures."""

    def __post_init__(self) -> None:
        if found := self.problems():
            raise RequestError(*found)

    def but(self, **delta: Any) -> Self:
        """The same network with a delta: whole parts, or fields by a short name that exactly one part owns."""
        return with_delta(self, delta)

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        raise NotImplementedError
