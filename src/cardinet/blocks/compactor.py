"""ResRep's compactor (Ding et al. 2020, Section 3.2; arXiv 2007.03260)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Compactor(nn.Conv2d):
    """A 1x1 convolution, D channels to D without bias, that starts as the identity.

    It stands between the BN of a prunable convolution and the ReLU. A row of zeros makes its output channel zero,
    and ReLU keeps it zero: the network without the row, and without that input channel of the next convolution,
    computes the same. `mask` has a 0 for every row that forgets its task gradient, so that nothing keeps it from zero.
    """

    mask: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 1, bias=False)
        self.register_buffer("mask", torch.ones(channels))

    def reset_parameters(self) -> None:
        """The identity; no random number is drawn."""
        nn.init.dirac_(self.weight)

    def initialise(self, init: str) -> None:
        """The identity, after the pass that draws all convolutions."""
        self.reset_parameters()

    def norms(self) -> Tensor:
        """The Euclidean norm of each row, (D,)."""
        lengths: Tensor = self.weight.detach().flatten(1).norm(dim=1)
        return lengths
