"""Carry: the weights of a shortcut and its branch: He et al. 2016, Section 3 (arXiv 1603.05027).

Each module takes the shortcut's output and the uncalled branch, and returns both with weights. A gate reads the
shortcut's output, which is the unit's input if the shortcut is the identity.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cardinet.blocks.merge import Branch

Carried = tuple[Tensor, Branch]


class Scaled(nn.Module):
    """(skip * shortcut, branch * T)."""

    def __init__(self, channels: int, *, skip: float, branch: float) -> None:
        super().__init__()
        self.skip, self.branch = skip, branch

    def forward(self, skip: Tensor, branch: Branch) -> Carried:
        return skip * self.skip, lambda: branch() * self.branch


class ShortcutGate(nn.Module):
    """((1 - g) * shortcut, T), g = sigmoid(conv1x1(shortcut)) with an initial bias of `gate_bias`."""

    def __init__(self, channels: int, *, gate_bias: float) -> None:
        super().__init__()
        self.gate_bias = gate_bias
        self.conv = nn.Conv2d(channels, channels, 1)

    def initialise(self, init: str) -> None:
        assert self.conv.bias is not None
        nn.init.constant_(self.conv.bias, self.gate_bias)

    def forward(self, skip: Tensor, branch: Branch) -> Carried:
        return skip * (1 - torch.sigmoid(self.conv(skip))), branch


class ExclusiveGate(ShortcutGate):
    """((1 - g) * shortcut, g * T), g as in `ShortcutGate`."""

    def forward(self, skip: Tensor, branch: Branch) -> Carried:
        gate = torch.sigmoid(self.conv(skip))
        return skip * (1 - gate), lambda: branch() * gate


class ShortcutDropout(nn.Module):
    """(dropout(shortcut), T)."""

    def __init__(self, channels: int, *, rate: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(rate)

    def forward(self, skip: Tensor, branch: Branch) -> Carried:
        return self.dropout(skip), branch
