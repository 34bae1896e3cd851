"""The kernels that run a whole network forward: the tables of numbers that they read are made by `inference/`."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from cardinet.base.errors import WorkError
from cardinet.ops.compiled import CannotCompile, library
from cardinet.ops.instruction_sets import usable

SHARED = 1 << 60
"""Offsets from here on are in the memory that all threads share."""

KINDS = ("picture", "windows", "dense", "lanewise", "any", "max", "mean", "adaptive", "affine", "pick", "logits")
"""The kernels in the order of `Kind` in `kernels/maps.h`."""


@dataclass
class Program:
    """Tables of int64: layers, tasks, where the tasks of each piece begin, the first piece of each piece's phase.

    A row of `layers` or `tasks` is a `Layer` or `Task` of `kernels/maps.h`. `own_bytes` is the memory of each thread,
    `shared_bytes` that of all.
    """

    layers: Tensor
    tasks: Tensor
    pieces: Tensor
    starts: Tensor
    own_bytes: int
    shared_bytes: int


class Kernels:
    """The kernels for an instruction set of this processor, the fastest by default.

    `lanewise`: whether they have the one for few channels a group. Raises WorkError where they cannot be compiled.
    """

    def __init__(self, instructions: str | None = None) -> None:
        name = next(iter(usable())) if instructions is None else instructions
        try:
            self._functions: ctypes.CDLL = library(name)
        except CannotCompile as reason:
            raise WorkError(f"Cardinet's own kernels cannot run this network, because {reason}.") from None
        self.lanewise = name.startswith("avx512")

    def run(
        self, dtype: torch.dtype, program: Program, memory: tuple[Tensor, Tensor], pixels: Tensor, threads: int
    ) -> Tensor:
        """The logits, float32 (N, K), of contiguous float32 pixels (N, C, H, W). `memory`: the shared, and all own."""
        logits = torch.empty(len(pixels), int(program.layers[-1, 3]))
        tables = (program.layers, program.tasks, program.pieces, program.starts)
        self._functions.run_forward(
            dtype == torch.bfloat16,
            *(table.data_ptr() for table in tables),
            len(program.starts),
            *(each.data_ptr() for each in memory),
            program.own_bytes,
            pixels.data_ptr(),
            logits.data_ptr(),
            threads,
        )
        return logits
