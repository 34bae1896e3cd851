"""Without what only training needs: dropout, drop-path and the draws of stochastic depth and Swapout."""

from __future__ import annotations

from torch import nn

from cardinet.blocks.fractalnet import Paths
from cardinet.blocks.merge import Add, Drawn, Weighted
from cardinet.rewrite.modules import replaced

DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
RULES = (*DROPOUT, nn.Identity, Drawn, Weighted, Add)
"""What draws, and what stands where `strip` and `deepen` took that away: the description does not say which of both."""


def strip(network: nn.Module) -> nn.Module:
    """The same function, with nothing in it that draws.

    Dropout becomes the identity; stochastic depth and Swapout become the weighted sum that they compute when testing
    (Huang et al. 2016, Equation 5; Singh et al. 2016, Section 3.2), fractal drop-path joins all of its columns. A
    network that draws nothing stays as it is.
    """
    return replaced(network, (*DROPOUT, Drawn, Paths), _without)


def draws(network: nn.Module) -> bool:
    """Whether anything that `strip` takes away is in a network."""
    return any(isinstance(module, (*DROPOUT, Drawn)) for module in network.modules())


def _without(module: nn.Module) -> nn.Module:
    if isinstance(module, Drawn):
        return module.expected()
    if isinstance(module, Paths):
        return Paths(module.columns, 0.0, 0.0, module.per)
    return nn.Identity()
