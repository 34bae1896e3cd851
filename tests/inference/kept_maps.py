"""All maps that the kernels make, read from their memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
import torch
from torch import Tensor

from cardinet.inference import program as room
from cardinet.inference.memory import Arena
from cardinet.inference.plan import Map, Work, maps_of, works_of
from cardinet.inference.steps import Steps
from cardinet.ops.forward import SHARED, Kernels


class Keeping(Arena):
    """An arena in which no map gives its place to another."""

    made: list[Keeping] = []

    def lay(self, works: Sequence[Work], maps: dict[int, Map], own: Iterable[int]) -> None:
        for value in own:
            self._place(value, maps[value], {})
        self.made.append(self)


def maps_made(
    steps: Steps, pixels: Tensor, dtype: torch.dtype, instructions: str, monkeypatch: pytest.MonkeyPatch
) -> dict[int, Tensor]:
    """Each value as float64 (N, C, H, W). The pictures, fewer than the threads of the plan, are done together."""
    monkeypatch.setattr(room, "Arena", Keeping)
    Keeping.made.clear()
    kernels = Kernels(instructions)
    works = works_of(steps, dtype, kernels.lanewise)
    maps = maps_of(works, tuple(pixels.shape), dtype)
    program = room.program_of(works, maps, len(pixels), len(pixels) + 1)
    shared, own = (torch.zeros(size, dtype=torch.uint8) for size in (program.shared_bytes, 2 * program.own_bytes))
    kernels.run(dtype, program, (shared, own), pixels, 2)
    places = Keeping.made[-1].places
    return {
        value: _read(shared, place % SHARED, maps[value], len(pixels)) for value, place in places.items() if value >= 0
    }


def _read(memory: Tensor, place: int, form: Map, images: int) -> Tensor:
    dtype = torch.float32 if form.size == 4 else torch.bfloat16
    values = memory[place : place + images * form.bytes].view(dtype)
    sides = (form.height + 2 * form.halo, form.width + 2 * form.halo)
    whole = values.view(images, *sides, form.stored).permute(0, 3, 1, 2).double()
    inner = whole[:, :, form.halo : form.halo + form.height, form.halo : form.halo + form.width]
    frame = whole.abs().sum() - inner.abs().sum()
    assert form.halo == 0 or not frame > 1e-6 * whole.abs().sum(), "the halo is not zero"
    return inner[:, : form.channels]
