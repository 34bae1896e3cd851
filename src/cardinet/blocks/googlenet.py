"""GoogLeNet from the widths of its table: Szegedy et al. 2014 (arXiv 1409.4842), Figures 2 and 3."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from torch import Tensor

from cardinet.blocks.inception import Concatenate, ConvNormReLU, Make, Piece, PiecesNet, PiecesSpec, Pool
from cardinet.blocks.local_response import LocalResponse


class ResponseNorm(Piece):
    """Local response normalisation with Caffe's values: alpha 1e-4 for the mean of 5 channels, beta 0.75, k 1."""

    def __init__(self, w_in: int) -> None:
        super().__init__()
        self.w_out = w_in
        self.norm = LocalResponse(size=5, alpha=2e-5, beta=0.75, k=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(x)
        return y


class GoogLeNetSpec(PiecesSpec, Protocol):
    """The description of a GoogLeNet, with the gate as a constructor."""

    widths: Sequence[Sequence[tuple[int, int, int, int, int, int]]]
    naive: bool
    norm: bool
    lrn: bool
    five: int
    last_pool: int


class GoogLeNet(PiecesNet):
    """conv 7x7 /2, max /2, lrn, conv 1x1, conv 3x3, lrn, max /2, 3a-3b, max /2, 4a-4e, max /2, 5a-5b, and the head.

    A module of `widths` (one, reduce3, three, reduce5, five, project) concatenates [1x1 one] [1x1 reduce3 - 3x3 three]
    [1x1 reduce5 - 5x5 five] [max 3x3 - 1x1 project]; a `naive` one [1x1 one] [3x3 three] [5x5 five] [max 3x3].
    """

    def __init__(self, spec: GoogLeNetSpec) -> None:
        def conv(kernel: int, width: int, stride: int = 1) -> Make:
            return partial(ConvNormReLU, width=width, kernel=(kernel, kernel), stride=stride, norm=spec.norm)

        def halve(kernel: int = 3) -> Make:
            return partial(Pool, kind="max", kernel=kernel, stride=2, padding="valid", ceil=True)

        def module(one: int, reduce3: int, three: int, reduce5: int, wide: int, project: int) -> Make:
            pool: Make = partial(Pool, kind="max")
            branches = [
                [conv(1, one)],
                [conv(1, reduce3), conv(3, three)],
                [conv(1, reduce5), conv(spec.five, wide)],
                [pool, conv(1, project)],
            ]
            if spec.naive:
                branches = [[conv(1, one)], [conv(3, three)], [conv(spec.five, wide)], [pool]]
            return partial(Concatenate, branches=branches)

        norms: list[Make] = [ResponseNorm] if spec.lrn else []
        stages = [[module(*row) for row in stage] for stage in spec.widths]
        for stage in stages[1:]:
            stage.insert(0, halve(spec.last_pool if stage is stages[-1] else 3))
        super().__init__(spec, [conv(7, 64, 2), halve(), *norms, conv(1, 64), conv(3, 192), *norms, halve()], stages)
        if not spec.norm:  # with fan_out the signal explodes in narrow reductions, with torch's default it vanishes
            self.fans = {"torchvision": "fan_in", "paper": "fan_in"}
