"""FractalNet: columns of convolutions that are averaged in joins (Larsson et al. 2016, arXiv 1605.07648)."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol, Self

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.blocks.classifier import Classifier, ClassifierSpec, Tap
from cardinet.blocks.recomputation import Recomputing
from cardinet.blocks.shared_draw import shared


class Paths(nn.Module):
    """Drop-path: the inputs of joins that are kept in a training step (paper, Section 3).

    It stands before the blocks and returns its input unchanged. It draws, for the batch or for every sample, whether
    one column is kept in the whole network (with probability `global_share`), or every join drops inputs by itself.
    """

    def __init__(self, columns: int, drop_path: float, global_share: float, per: str) -> None:
        super().__init__()
        self.columns, self.drop_path, self.global_share, self.per = columns, drop_path, global_share, per
        self.chosen = torch.full((1,), -1, device="cpu")

    @property
    def dropping(self) -> bool:
        """Whether any input can be dropped; never in eval mode."""
        return self.training and (self.drop_path > 0 or self.global_share > 0)

    def forward(self, x: Tensor) -> Tensor:
        if self.dropping:
            draws = 1 if self.per == "batch" else len(x)
            columns = torch.randint(self.columns, (draws,), device="cpu")
            self.chosen = self._of_all(torch.where(torch.rand(draws, device="cpu") < self.global_share, columns, -1))
        return x

    def live(self, columns: Sequence[int]) -> Tensor:
        """Booleans (draws, inputs): the inputs that a join of these columns keeps, at least one in each draw.

        A join keeps only the chosen column if it has it. Otherwise it drops every input with probability `drop_path`.
        If this would drop all, one of them is kept, drawn uniformly.
        """
        draws, inputs = len(self.chosen), len(columns)
        kept = torch.rand(draws, inputs, device="cpu") >= self.drop_path
        saved = torch.arange(inputs, device="cpu") == torch.randint(inputs, (draws, 1), device="cpu")
        kept |= saved & ~kept.any(1, keepdim=True)
        alone = self.chosen[:, None] == torch.tensor(columns, device="cpu")
        return self._of_all(torch.where(alone.any(1, keepdim=True), alone, kept))

    def _of_all(self, draw: Tensor) -> Tensor:
        """A draw for the batch is that of all its parts in several processes; one for a sample is its own."""
        return shared(draw) if self.per == "batch" else draw

    def extra_repr(self) -> str:
        return f"drop_path={self.drop_path}, global_share={self.global_share}, per={self.per}"


def mean(inputs: list[Tensor], live: Tensor | None) -> Tensor:
    """The mean of inputs (N, C, H, W); with `live` (N, inputs) the mean of the inputs that each sample keeps."""
    if live is not None:
        weights = len(inputs) * live / live.sum(1, keepdim=True)
        inputs = [y * weight[:, None, None, None].to(y) for y, weight in zip(inputs, weights.T, strict=True)]
    total = inputs[0]
    for y in inputs[1:]:
        total = total + y
    return total / len(inputs) if len(inputs) > 1 else total


def column_units(w_in: int, w_out: int, length: int, dropout: float) -> nn.ModuleList:
    """The units of a column: conv 3x3 with bias, dropout, BN without scale and shift, ReLU."""
    return nn.ModuleList(
        nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(w_in if i == 0 else w_out, w_out, 3, padding=1),
                drop=nn.Dropout(dropout),
                bn=nn.BatchNorm2d(w_out, affine=False),  # Caffe's BN has no scale and shift
                relu=nn.ReLU(inplace=True),
            )
        )
        for i in range(length)
    )


class FractalBlock(Recomputing):
    """f_1 = unit, f_(c+1)(x) = join( f_c(f_c(x)), unit(x) ), nested joins are one; columns are pooled before the last.

    The block has levels 1 to 2^(C-1). Column c (0 to C-1) has a unit at every level that its step 2^(C-1-c) divides.
    The units of a level are joined. `paths` says which inputs of a join are kept in training. The block goes back from
    the last level to find the units that are needed; the others are not computed. A block with only one column is a
    chain.
    """

    def __init__(self, columns: Mapping[str, nn.ModuleList], levels: int, paths: Paths) -> None:
        super().__init__()
        self.columns = nn.ModuleDict(columns)
        self.pool = nn.MaxPool2d(2)
        self.paths = paths
        self.levels = levels
        self.steps = {c: levels // 2 ** int(c) for c in columns}

    def keep(self, column: str) -> None:
        """Drop every other column."""
        self.columns = nn.ModuleDict({column: self.columns[column]})
        self.steps = {column: self.steps[column]}

    def forward(self, x: Tensor) -> Tensor:
        joins: list[tuple[int, list[str], Tensor | None]] = []
        wanted = {self.levels}
        for level in range(self.levels, 0, -1):
            if level in wanted:
                columns, live = self.inputs(level)
                joins.append((level, columns, live))
                wanted |= {level - self.steps[c] for c in columns}
        maps = {0: x}
        for level, columns, live in reversed(joins):
            maps[level] = mean([self.output(c, level, maps) for c in columns], live)
        return maps[self.levels]

    def inputs(self, level: int) -> tuple[list[str], Tensor | None]:
        """The columns that are joined at a level, and booleans (N, columns): the samples that keep them; None: all."""
        columns = [c for c, step in self.steps.items() if level % step == 0]
        if not self.paths.dropping:
            return columns, None
        live = self.paths.live([int(c) for c in columns])
        called = live.any(0)
        columns = [c for c, some in zip(columns, called.tolist(), strict=True) if some]
        return columns, None if len(live) == 1 else live[:, called]

    def output(self, c: str, level: int, maps: Mapping[int, Tensor]) -> Tensor:
        """The output of column c for the join of a level."""
        step = self.steps[c]
        column = self.columns[c]
        assert isinstance(column, nn.ModuleList)
        y: Tensor = self.run([column[level // step - 1]], maps[level - step])
        return self.pool(y) if level == self.levels else y


class FractalNetSpec(ClassifierSpec, Protocol):
    """The description of a FractalNet."""

    columns: int
    column: int | None
    widths: Sequence[int]
    dropout: Sequence[float]
    drop_path: float
    global_share: float
    per: str


class FractalNet(Classifier):
    """paths, layer1 to layerB, average pool (of one pixel after 5 blocks of 32), fc; see the description."""

    layer1: FractalBlock
    paths: Paths
    avgpool: nn.Module

    def __init__(self, spec: FractalNetSpec) -> None:
        paths = Paths(spec.columns, spec.drop_path, spec.global_share, spec.per)
        body: dict[str, nn.Module] = {"paths": paths}
        taps = [Tap("stem", "paths", spec.in_channels, 1)]
        for i, (w_out, rate) in enumerate(zip(spec.widths, spec.dropout, strict=True), 1):
            present = range(spec.columns) if spec.column is None else [spec.column]
            units = {str(c): column_units(taps[-1].channels, w_out, 2**c, rate) for c in present}
            body[f"layer{i}"] = FractalBlock(units, 2 ** (spec.columns - 1), paths)
            taps.append(Tap(f"layer{i}", f"layer{i}", w_out, 2**i))
        head = {"avgpool": nn.AdaptiveAvgPool2d(1), "fc": nn.Linear(spec.widths[-1], spec.num_classes)}
        super().__init__(body, head, taps)

    def column(self, c: int) -> Self:
        """Column c as a network, a chain of 2^c convolutions in each block. It shares its Parameters with this one.

        Its mode and its BN statistics are its own; they start as copies. Raises RequestError for an unknown column.
        """
        present = list(self.layer1.columns)
        if str(c) not in present:
            raise RequestError(f"column {c}: the network has columns {', '.join(present)}; give one of them.")
        alone = copy.deepcopy(self, {id(p): p for p in self.parameters()})
        for block in alone.modules():
            if isinstance(block, FractalBlock):
                block.keep(str(c))
        alone.spec = self.spec.but(column=c)
        return alone

    def initialise(self, init: str) -> None:
        """paper: Caffe's xavier, uniform within sqrt(3 / fan_in), and biases of 0."""
        if init == "paper":
            for module in self.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    bound = math.sqrt(3 / module.weight[0].numel())
                    nn.init.uniform_(module.weight, -bound, bound)
                    assert module.bias is not None
                    nn.init.zeros_(module.bias)
