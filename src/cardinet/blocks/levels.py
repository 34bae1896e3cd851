"""Shortcuts around stages and around the whole network (Zhang et al. 2016, arXiv 1608.02908)."""

from __future__ import annotations

from torch import Tensor, nn

from cardinet.blocks.recomputation import Recomputing
from cardinet.blocks.shortcut import projection


class Level(nn.Module):
    """after( y + projection(x) ): the sum at the end of a level; x is the input of the level."""

    def __init__(self, w_in: int, w_out: int, stride: int, *, words: str, around: object, shrink: str) -> None:
        super().__init__()
        self.downsample = projection(w_in, w_out, stride, "conv bn")
        self.words = words.split()
        if "bn" in self.words:
            self.bn = nn.BatchNorm2d(w_out)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        y = y + self.downsample(x)
        for word in self.words:
            y = getattr(self, word)(y)
        return y


class LevelStage(Recomputing):
    """A stage with its own shortcut: [max pool], then level( units(x), x )."""

    OUTER = True

    def __init__(self, units: nn.Module, level: Level | None, *, pool: bool) -> None:
        super().__init__()
        self.maxpool = nn.MaxPool2d(2, ceil_mode=True) if pool else None
        self.units = units
        self.level = level

    def forward(self, x: Tensor) -> Tensor:
        if self.maxpool is not None:
            x = self.maxpool(x)
        y: Tensor = self.units(x)
        return y if self.level is None else self.run([self.level], y, x)
