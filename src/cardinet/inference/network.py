"""A network that Cardinet's own kernels run: pixels in, logits out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError, nearest
from cardinet.inference.plan import maps_of, works_of
from cardinet.inference.program import program_of
from cardinet.inference.steps import steps_of
from cardinet.ops.forward import Kernels, Program

Precision = Literal["float32", "bfloat16"]

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

SIZES = 8
"""Sizes of pictures whose buffers are kept."""


class Prepared:
    """A callable from float32 pixels (N, C, H, W) to float32 logits (N, K).

    Its results do not depend on the number of threads. Buffers are made once for each size of pictures. Calls from
    several threads of a program wait for each other.
    """

    def __init__(self, network: nn.Module, precision: Precision, threads: int, instructions: str | None) -> None:
        steps = steps_of(network)
        self._kernels = Kernels(instructions)
        self._dtype = TYPES[precision]
        self._works = works_of(steps, self._dtype, self._kernels.lanewise)
        self._channels, self._threads = steps.channels, threads
        self._planned: OrderedDict[tuple[int, ...], tuple[Program, tuple[Tensor, Tensor]]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, pixels: Tensor) -> Tensor:
        """The logits. Raises RequestError for pixels of another form, type or size than the network takes."""
        fits = pixels.dim() == 4 and pixels.shape[1] == self._channels
        if not fits or pixels.dtype != torch.float32 or pixels.device.type != "cpu":
            place = "" if pixels.device.type == "cpu" else f" on {pixels.device}"
            found = f"{str(pixels.dtype).removeprefix('torch.')} {tuple(pixels.shape)}{place}"
            raise RequestError(f"The network takes float32 pixels of (N, {self._channels}, H, W), not {found}.")
        with self._lock:
            program, memory = self._plan(tuple(pixels.shape))
            return self._kernels.run(self._dtype, program, memory, pixels.detach().contiguous(), self._threads)

    def _plan(self, shape: tuple[int, ...]) -> tuple[Program, tuple[Tensor, Tensor]]:
        if shape not in self._planned:
            maps = maps_of(self._works, shape, self._dtype)
            program = program_of(self._works, maps, shape[0], self._threads)
            sizes = (program.shared_bytes, self._threads * program.own_bytes)
            shared, own = (torch.zeros(size, dtype=torch.uint8) for size in sizes)
            self._planned[shape] = (program, (shared, own))
            if len(self._planned) > SIZES:
                self._planned.popitem(last=False)
        self._planned.move_to_end(shape)
        return self._planned[shape]


def prepare(
    network: nn.Module,
    precision: Precision = "float32",
    threads: int | None = None,
    *,
    instructions: str | None = None,
) -> Prepared:
    """A network for Cardinet's own kernels, on `threads` threads (torch's number by default).

    `precision` is the type of weights and maps; sums are float32, and so are the logits. `instructions` names one of
    the instruction sets of this processor (the fastest by default). Raises RequestError, with all reasons, for a
    network with operations that the kernels do not know, and WorkError where they cannot be compiled.
    """
    count = torch.get_num_threads() if threads is None else threads
    faults = []
    if precision not in TYPES:
        faults.append(f'precision="{precision}": there is no such precision ({nearest(precision, TYPES)}).')
    if count < 1:
        faults.append(f"threads={count}: at least 1 is needed.")
    if faults:
        raise RequestError(*faults)
    return Prepared(network, precision, count, instructions)
