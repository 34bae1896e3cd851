"""The description of an Inception network: a stem and stages, made of the pieces of `parts.inception_pieces`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, SkipValidation

from cardinet.networks.auxiliary_head import INCEPTION, AuxiliaryHead
from cardinet.networks.part import Part, misplaced, part
from cardinet.networks.parts.gate import Gate
from cardinet.networks.parts.inception_pieces import Chain, InceptionResidual, along, not_pieces, window
from cardinet.networks.parts.merge import Add
from cardinet.networks.path_graph import PathGraph
from cardinet.networks.ranges import Count
from cardinet.networks.spec import NetworkSpec


@part
class Inception(NetworkSpec):
    """A stem, stages of modules, average pool, dropout, and a classifier, which may follow an embedding.

    With a gate this is SE-Inception or SE-Inception-ResNet (SENet, Section 3.3). Raises RequestError for a value that
    is not a piece, and for a merge where no module has a shortcut.
    """

    stem: Annotated[Chain, Field(min_length=1)]
    """The pieces before the stages, one after another."""

    stages: Annotated[tuple[Annotated[Chain, Field(min_length=1)], ...], Field(min_length=1)]
    """The modules of each stage, one after another."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """The rate of the dropout before the classifier."""

    embedding: Count | None = None
    """The units of a linear layer before the classifier; none: there is no such layer."""

    gate: SkipValidation[Gate | None] = None
    """The gate at the end of every module of the stages; in a residual module it ends the branch, before the scale
    (SENet, Section 3.3). None: there is no gate.
    """

    merge: SkipValidation[Part] = Add()
    """What joins the two sides of residual modules: their sum, or a rule that drops parts of it in training."""

    num_classes: Count = 1000
    in_channels: Count = 3

    TRAINING: ClassVar[frozenset[str]] = frozenset({"dropout"})
    MODULE: ClassVar[str] = "inception:InceptionNet"

    def problems(self) -> list[str]:
        found = list(not_pieces((self.stem, *self.stages)))
        found += (wrong := misplaced({"gate": self.gate, "merge": self.merge}, optional=("gate",)))
        joined = any(isinstance(piece, InceptionResidual) for stage in self.stages for piece in stage)
        if not joined and not wrong and self.merge.JOINS:
            found.append(f"merge = {type(self.merge).__name__}: no module here has a shortcut to join; use Add().")
        return found

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return window([*self.stem, *(piece for stage in self.stages for piece in stage)])[0]

    def auxiliary_heads(self) -> Mapping[str, AuxiliaryHead]:
        """After the last but one stage, whose maps have 17x17 pixels in all networks of the papers."""
        return {f"layer{len(self.stages) - 1}": INCEPTION} if len(self.stages) > 1 else {}

    def path_graph(self) -> PathGraph:
        """Stem and modules, each with its branches; the embedding, if there is one; classifier."""
        graph = PathGraph()
        at = along(self.stem, graph, 0)
        for stage in self.stages:
            at = along(stage, graph, at)
        graph.chain(at, 1 + (self.embedding is not None))
        return graph
