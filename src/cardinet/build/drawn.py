"""A network with drawn values where new networks have zeros and ones, so that every operation shows in its output."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEAST = 1e-3
"""The least variance of BN."""


def with_drawn_values(network: nn.Module, pixels: Tensor) -> nn.Module:
    """The network with nothing at a value where it would not show.

    Parameters that begin at zero are drawn, as is the affine part of BN; its statistics are those of other pictures
    like `pixels`, so that even the deepest network neither explodes nor vanishes. The result is in train mode.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
        if norm.affine:
            nn.init.uniform_(norm.weight, 0.5, 1.0)
            nn.init.normal_(norm.bias, std=0.1)
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.05)
    with torch.no_grad():
        network.train()(torch.randn_like(pixels))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        if norm.running_var is not None:  # a map of one pixel and few pictures may have none
            norm.running_var.clamp_(min=LEAST)
    return network
