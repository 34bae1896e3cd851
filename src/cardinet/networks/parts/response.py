"""Local response normalisation: Krizhevsky, Sutskever and Hinton 2012, Section 3.3 (NIPS 2012)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cardinet.networks.part import Part, part


@part
class LocalResponse(Part):
    """Local response normalisation (Section 3.3): x / (k + alpha * S)^beta, S the sum of squares of `size` channels.

    Caffe and torch take the mean where the paper takes the sum: their alpha is `size` times this one.
    """

    size: Literal[3, 5, 7, 9] = 5
    alpha: Annotated[float, Field(gt=0, le=1_000_000)] = 1e-4
    beta: Annotated[float, Field(gt=0, le=1_000_000)] = 0.75
    k: Annotated[float, Field(gt=0, le=1_000_000)] = 2

    MODULE: ClassVar[str] = "response:LocalResponse"
    ROLE: ClassVar[str] = "norm"
