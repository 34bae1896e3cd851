"""Random draws for a whole mini-batch, of which several processes may hold parts."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def shared(draw: Tensor) -> Tensor:
    """The draw of the first process, in every process of a run; the draw itself if there is only one process.

    A unit that one process closed and another computed would let their exchanges of BN statistics miss each other.
    """
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        numbers = draw.to(torch.uint8) if draw.dtype == torch.bool else draw
        dist.broadcast(numbers, 0)
        return numbers.to(draw.dtype)
    return draw
