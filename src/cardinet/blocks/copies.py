"""Several transforms side by side: Abdi and Nahavandi 2016, Multi-Residual Networks (arXiv 1609.05672)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cardinet.blocks.unit import Around, Chain, ConvFactory, Layer, ResidualUnit


class Copy(Chain):
    """One of the summed transforms, with norms of its own."""

    def __init__(self, layers: Sequence[Layer], spatial: ConvFactory, pre: str) -> None:
        super().__init__()
        self.lay(layers, spatial, Around(pre=pre, after=""))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(self.pre(x))


class CopiesUnit(ResidualUnit):
    """T_1(x) + ... + T_k(x) as the branch.

    Each has its own words before its first convolution, unless these feed the shortcut too: then they stand once.
    """

    def lay(self, layers: Sequence[Layer], spatial: ConvFactory, around: Around) -> None:
        self.pre_names = self._words(around.pre if around.shares_pre else "", layers[0].w_in)
        self.after_names = self._words(around.after, layers[-1].w_out)
        own = "" if around.shares_pre else around.pre
        self.copies = nn.ModuleList(Copy(layers, spatial, own) for _ in range(around.copies))

    def branch(self, x: Tensor) -> Tensor:
        first, *others = self.copies
        total: Tensor = first(x)
        for copy in others:
            total = total + copy(x)
        return total
