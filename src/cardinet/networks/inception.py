"""The description of an Inception network: a stem and stages of pieces, which `parts.inception_pieces` has."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from cardinet.base.errors import RequestError
from cardinet.networks.numbers import Count
from cardinet.networks.part import misplaced, part
from cardinet.networks.parts.inception_pieces import Chain, InceptionResidual, strangers, window
from cardinet.networks.parts.merge import Add
from cardinet.networks.spec import NetworkSpec


@part
class Inception(NetworkSpec):
    """A stem, stages of modules, average pool, dropout, and a classifier, which may follow an `embedding`.

    A `gate` stands at the end of every module of the stages, and of a residual module at the end of its branch, before
    the scale (SENet, Section 3.3: SE-Inception and SE-Inception-ResNet); `merge` is how residual modules join their
    two sides. Raises RequestError when it is made of something that is no piece, or with a merge and nothing to join.
    """

    stem: Annotated[Chain, Field(min_length=1)]
    stages: Annotated[tuple[Annotated[Chain, Field(min_length=1)], ...], Field(min_length=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    embedding: Count | None = None
    gate: Any = None
    merge: Any = Add()
    num_classes: Count = 1000
    in_channels: Count = 3

    MODULE: ClassVar[str] = "inception:InceptionNet"

    def __post_init__(self) -> None:
        found = list(strangers((self.stem, *self.stages)))
        found += misplaced({"gate": self.gate, "merge": self.merge}, optional=("gate",))
        joined = any(isinstance(piece, InceptionResidual) for stage in self.stages for piece in stage)
        if not joined and not isinstance(self.merge, Add):
            found.append(f"merge = {type(self.merge).__name__}: no module here has a shortcut to join; use Add().")
        if found:
            raise RequestError(*found)

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return window([*self.stem, *(piece for stage in self.stages for piece in stage)])[0]
