"""The compactor of ResRep: Ding et al. 2020, Section 3.2 (arXiv 2007.03260)."""

from __future__ import annotations

from typing import ClassVar

from cardinet.networks.part import part


@part
class Compactor:
    """A 1x1 convolution that starts as the identity, after the BN of a convolution whose channels may be dropped."""

    MODULE: ClassVar[str] = "compactor:Compactor"
    ROLE: ClassVar[str] = "compactor"
