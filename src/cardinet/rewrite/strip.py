"""Remove the random layers of training: dropout, drop-path and the draws of stochastic depth and Swapout."""

from __future__ import annotations

from torch import nn

from cardinet.blocks.fractalnet import Paths
from cardinet.blocks.merge import Add, Drawn, Weighted
from cardinet.rewrite.module_edits import replaced

DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
RULES = (*DROPOUT, nn.Identity, Drawn, Weighted, Add)
"""Random layers, and the layers that replace them in `strip` and `deepen`. The description does not tell them apart."""


def strip(network: nn.Module) -> nn.Module:
    """A network with the same function in eval mode, without random layers.

    Dropout becomes the identity. Stochastic depth and Swapout become the weighted sum that they compute in eval mode
    (Huang et al. 2016, Equation 5; Singh et al. 2016, Section 3.2). Fractal joins use all their columns. A network
    without random layers does not change.
    """
    return replaced(network, (*DROPOUT, Drawn, Paths), _without)


def draws(network: nn.Module) -> bool:
    """Whether a network has dropout, stochastic depth or Swapout."""
    return any(isinstance(module, (*DROPOUT, Drawn)) for module in network.modules())


def _without(module: nn.Module) -> nn.Module:
    if isinstance(module, Drawn):
        return module.expected()
    if isinstance(module, Paths):
        return Paths(module.columns, 0.0, 0.0, module.per)
    return nn.Identity()
