"""ResRep's compactor (Ding et al. 2020, Section 3.2; arXiv 2007.03260)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Compactor(nn.Conv2d):
    """A 1x1 convolution, D channels to D without bias, that starts as the identity.

    It stands between the BN of a prunable convolution and the ReLU. A row of zeros makes its output channel zero,
    and ReLU keeps it zero. So the row, and that input channel of the next convolution, can be removed without a change
    of the result. `mask` has a 0 for every row whose task gradient is dropped, so that the penalty alone moves it to
    zero.
    """

    mask: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 1, bias=False)
        self.register_buffer("mask", torch.ones(channels))

    def reset_parameters(self) -> None:
        """Set the identity; this draws no random number."""
        nn.init.dirac_(self.weight)

    def initialise(self, init: str) -> None:
        """Set the identity again, because the general rule has drawn all convolutions."""
        self.reset_parameters()

    def norms(self) -> Tensor:
        """The Euclidean norm of each row, (D,)."""
        lengths: Tensor = self.weight.detach().flatten(1).norm(dim=1)
        return lengths
