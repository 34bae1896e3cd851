"""The base class of all descriptions of whole networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from cardinet.base.errors import RequestError
from cardinet.networks.auxiliary_head import AuxiliaryHead
from cardinet.networks.delta import with_delta
from cardinet.networks.part import Part
from cardinet.networks.path_graph import PathGraph


class NetworkSpec(Part):
    """Base of the parts that describe whole networks.

    A subclass is a `@part` that also has the fields `num_classes` and `in_channels`, a `stride` (input pixels per
    pixel of the last feature map) and a `MODULE`. This class in `blocks/` takes one object with all fields by name;
    in it each part is the constructor of its module. Raises RequestError with all settings that contradict each other
    (`problems`), at once.
    """

    ROLE: ClassVar[str] = "network"

    num_classes: int
    """The number of classes; training takes it from the pictures."""

    in_channels: int
    """The channels of the input, 3 for colour and 1 for grey; training takes them from the pictures."""

    def __post_init__(self) -> None:
        if found := self.problems():
            raise RequestError(*found)

    def but(self, **delta: Any) -> Self:
        """The same network with changed settings; see `with_delta` for the keys, the values and the errors."""
        return with_delta(self, delta)

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        raise NotImplementedError

    def auxiliary_heads(self) -> Mapping[str, AuxiliaryHead]:
        """The heads with which its paper trains it, by the module whose output each reads; most networks have none."""
        return {}

    def path_graph(self) -> PathGraph:
        """The maps of the network and the ways between them; see `PathGraph`. Gates are not counted."""
        raise NotImplementedError

    def without_shortcuts(self) -> Self | None:
        """The same network without its shortcuts; None if it has none, or nothing would be left without them."""
        return None
