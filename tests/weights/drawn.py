"""Networks with a random value in every tensor, so that no two tensors are equal."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import cardinet

TINY: dict[str, Any] = {"depths": (1, 1, 1), "num_classes": 7}


def drawn(network: str, seed: int = 0, **delta: Any) -> Any:
    """A named network in eval mode with drawn weights, statistics and affine parameters."""
    torch.manual_seed(seed)
    made = cardinet.create(network, **delta).eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.get_buffer("running_mean"), std=0.1)
            nn.init.uniform_(module.get_buffer("running_var"), 0.8, 1.2)
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
    return made


def same_tensors(one: nn.Module, other: nn.Module) -> bool:
    """Whether two networks have the same tensors under the same names."""
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
