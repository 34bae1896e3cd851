"""Local response normalisation: Krizhevsky, Sutskever and Hinton 2012, Section 3.3 (NIPS 2012)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cardinet.networks.part import Part, part


@part
class LocalResponse(Part):
    """x / (k + alpha * S)^beta, S the sum of squares of neighbouring channels (Krizhevsky et al. 2012, Section 3.3)."""

    size: Literal[3, 5, 7, 9] = 5
    """The number of neighbouring channels whose squares are added."""

    alpha: Annotated[float, Field(gt=0, le=1_000_000)] = 1e-4
    """The factor of the sum of squares; Caffe and torch take the mean, so their alpha is `size` times this one."""

    beta: Annotated[float, Field(gt=0, le=1_000_000)] = 0.75
    """The exponent of the divisor."""

    k: Annotated[float, Field(gt=0, le=1_000_000)] = 2
    """The constant term of the divisor."""

    MODULE: ClassVar[str] = "local_response:LocalResponse"
    ROLE: ClassVar[str] = "norm"
