"""Which grouped convolutions take own kernels on a GPU instead of cuDNN: a table of what has been measured.

A shape without a row takes cuDNN, and so does one whose row says that cuDNN was faster. `benchmarks/gpu_kernels.py`
measures and writes the rows; as long as nobody has, nothing is chosen.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field

TABLE = Path(__file__).parent / "gpu_choice.json"

Direction = Literal["forward", "input gradient", "weight gradient"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

Size = Annotated[int, Field(ge=1, le=2**31)]
Milliseconds = Annotated[float, Field(gt=0, lt=1e6)]


class Form(BaseModel):
    """How a kernel is compiled: the positions of a program's tile, its warps and the stages of its pipeline."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pixels: Literal[16, 32, 64, 128, 256] = 64
    warps: Literal[1, 2, 4, 8] = 4
    stages: Annotated[int, Field(ge=1, le=8)] = 2


@dataclass(frozen=True)
class Case:
    """A convolution that is measured: the GPU's name, the type, and the shape of the input (N, C, H, W)."""

    gpu: str
    direction: Direction
    dtype: str
    shape: tuple[int, ...]
    groups: int
    stride: int


class Row(BaseModel):
    """A measured case, with the fastest form of the own kernel and both times."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu: str
    direction: Direction
    dtype: Literal["float32", "bfloat16", "float16"]
    shape: tuple[Size, Size, Size, Size]
    groups: Size
    stride: Literal[1, 2]
    form: Form
    own_ms: Milliseconds
    cudnn_ms: Milliseconds

    @property
    def case(self) -> Case:
        return Case(self.gpu, self.direction, self.dtype, self.shape, self.groups, self.stride)


class Table(BaseModel):
    """The file: its rows, and in words with what they were measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    measured_with: str = ""
    rows: tuple[Row, ...] = ()

    def faster(self) -> Mapping[Case, Form]:
        """The cases whose own kernel was faster than cuDNN."""
        return {row.case: row.form for row in self.rows if row.own_ms < row.cudnn_ms}


@functools.cache
def forms() -> Mapping[Case, Form]:
    """The cases that take own kernels, from the table of this package."""
    return Table.model_validate_json(TABLE.read_bytes()).faster()


@functools.cache
def _name(index: int | None) -> str:
    return torch.cuda.get_device_name(index)


def gpu_name(device: torch.device) -> str:
    """The name by which the table knows a device."""
    return _name(device.index) if device.type == "cuda" else device.type
