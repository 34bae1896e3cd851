"""FractalNet: Larsson et al. 2016 (arXiv 1605.07648); B blocks of C columns, without identity shortcuts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cardinet.networks.family import family, row
from cardinet.networks.part import part
from cardinet.networks.path_graph import PathGraph, Way
from cardinet.networks.ranges import Count, Rate
from cardinet.networks.spec import NetworkSpec


@part
class FractalNet(NetworkSpec):
    """One block per width; each block halves the picture. Then average pool and classifier.

    Columns of different depth are joined in a block. A unit is conv 3x3, dropout, BN without scale and shift, ReLU. In
    training a join drops some of its inputs (local), or one column is chosen for the whole network (global).
    """

    columns: Annotated[int, Field(ge=1, le=10)] = 3
    """The columns of each block; column c has 2^c units."""

    column: Annotated[int, Field(ge=0)] | None = None
    """The only column to build, from 0 to columns - 1; none: all columns."""

    widths: Annotated[tuple[Count, ...], Field(min_length=1, max_length=32)] = (64, 128, 256, 512, 512)
    """The channels of each block."""

    dropout: tuple[Rate, ...] = (0, 0, 0, 0, 0)
    """The rate of the dropout in each block."""

    drop_path: Rate = 0
    """The probability of dropping each input of a join in training; a join keeps at least one input."""

    global_share: Annotated[float, Field(ge=0, le=1)] = 0
    """The probability of keeping a single column in the whole network instead, in training."""

    per: Literal["batch", "sample"] = "batch"
    """How often the joins draw: for each batch, or for each sample."""

    num_classes: Count = 10
    in_channels: Count = 3

    MODULE: ClassVar[str] = "fractalnet:FractalNet"
    TRAINING: ClassVar[frozenset[str]] = frozenset({"dropout", "drop_path", "global_share"})
    WITHOUT: ClassVar[Mapping[str, str]] = {"merge": "its joins have their own rule; use drop_path and global_share."}

    def problems(self) -> list[str]:
        found = []
        if len(self.dropout) != len(self.widths):
            found.append(f"dropout {self.dropout} and widths {self.widths} differ in length; give one rate per block.")
        if self.column is not None and self.column >= self.columns:
            found.append(f"column = {self.column}: the network has columns 0 to {self.columns - 1}; give one of them.")
        return found

    @property
    def stride(self) -> int:
        """Input pixels per pixel of the last feature map."""
        return int(2 ** len(self.widths))

    def path_graph(self) -> PathGraph:
        """For each block its columns and their joins; classifier."""
        graph, levels = PathGraph(), 2 ** (self.columns - 1)
        present = range(self.columns) if self.column is None else [self.column]
        steps = [levels // 2**c for c in present]
        at = 0
        for _ in self.widths:
            maps = {0: at}
            for level in range(1, levels + 1):
                ways = [Way(maps[level - step], 1, unit=True) for step in steps if level % step == 0]
                if ways:
                    maps[level] = graph.add(*ways)
            at = maps[levels]
        graph.chain(at, 1)
        return graph


columns_3 = FractalNet()

FAMILY = family(
    "FractalNet",
    paper="arXiv 1605.07648",
    input_size=32,
    rows={
        "fractalnet20": row(
            columns_3,
            reading="Convolutions have a bias, and BN has no scale and shift, as in the author's generator script. "
            "This gives 33.7M parameters. No reading gives the 38.6M of the paper.",
        ),
        "fractalnet20_droppath": row(
            columns_3.but(dropout=(0, 0.1, 0.2, 0.3, 0.4), drop_path=0.15, global_share=0.5),
            reading="The counts are those of fractalnet20. Drop-path draws once per batch, as in the author's join "
            "layer. Later code of other authors draws per sample.",
        ),
    },
    refused={
        "pytorchcv:fractalnet_cifar10": "it joins columns before it pools them, its convolutions have no bias, its "
        "BN has scale and shift, and it drops whole channels after ReLU (33,724,618 "
        "parameters).",
    },
)
