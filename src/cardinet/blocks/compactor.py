"""ResRep's compactor, and where it can stand (Ding et al. 2020, Sections 3.2 and 4; arXiv 2007.03260)."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from cardinet.blocks.unit import ResidualUnit


class Compactor(nn.Conv2d):
    """A 1x1 convolution, D channels to D without bias, that starts as the identity.

    It stands between the BN of a prunable convolution and the ReLU. A row of zeros makes its output channel zero,
    and ReLU keeps it zero: the network without the row, and without that input channel of the next convolution,
    computes the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 1, bias=False)

    def reset_parameters(self) -> None:
        """The identity; no random number is drawn."""
        nn.init.dirac_(self.weight)

    def initialise(self, init: str) -> None:
        """The identity, after the pass that draws all convolutions."""
        self.reset_parameters()


def prunable(network: nn.Module) -> list[str]:
    """The names of the convolutions whose output channels can be dropped, in call order.

    Those are the ones of a residual unit that only the next one of the same unit reads: all but the last, whose
    channels the shortcut shares. One with groups, or before one with groups, is not among them: its channels are tied.
    """
    found = []
    for at, unit in network.named_modules():
        if isinstance(unit, ResidualUnit):
            layers = [(name, layer) for name, layer in unit.named_children() if name.startswith("conv")]
            for (name, layer), (_, reader) in pairwise(layers):
                if all(isinstance(one, nn.Conv2d) and one.groups == 1 for one in (layer, reader)):
                    found.append(f"{at}.{name}")
    return found
