"""Several transforms in one unit: Abdi and Nahavandi 2016, Multi-Residual Networks (arXiv 1609.05672)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cardinet.blocks.residual_unit import Chain, ConvFactory, Layer, ResidualUnit, Surroundings


class Copy(Chain):
    """One of the summed transforms, with its own norms."""

    def __init__(self, layers: Sequence[Layer], spatial: ConvFactory, pre: str) -> None:
        super().__init__()
        self.add_layers(layers, spatial, Surroundings(pre=pre, after=""))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(self.pre(x))


class CopiesUnit(ResidualUnit):
    """T_1(x) + ... + T_k(x) as the branch.

    Each transform has its own layers of `pre`. If `pre` feeds the shortcut too, all share one.
    """

    def add_layers(self, layers: Sequence[Layer], spatial: ConvFactory, surroundings: Surroundings) -> None:
        self.pre_names = self._words(surroundings.pre if surroundings.shares_pre else "", layers[0].w_in)
        self.after_names = self._words(surroundings.after, layers[-1].w_out)
        own = "" if surroundings.shares_pre else surroundings.pre
        self.copies = nn.ModuleList(Copy(layers, spatial, own) for _ in range(surroundings.copies))

    def branch(self, x: Tensor) -> Tensor:
        first, *others = self.copies
        total: Tensor = first(x)
        for copy in others:
            total = total + copy(x)
        return total
