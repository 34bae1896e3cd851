"""What a rewrite draws anew: from a seed of its own, beside the state of torch's generators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from cardinet.base.errors import RequestError

AnyModule = TypeVar("AnyModule", bound=nn.Module)


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Within it torch draws on the CPU from a seed; after it the generators are as they were.

    Raises RequestError for a seed that is none.
    """
    state = torch.get_rng_state()
    seeded(seed)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would change the generators of other devices too
    try:
        yield
    finally:
        torch.set_rng_state(state)


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU. Raises RequestError for a seed that is none."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise RequestError(f"seed = {seed!r}: give a whole number from 0 to 2^63 - 1.")
    return torch.Generator().manual_seed(seed)


def alike(module: AnyModule, like: torch.Tensor, layout: torch.memory_format) -> AnyModule:
    """A new module with the device and dtype of a tensor, in a layout."""
    return module.to(device=like.device, dtype=like.dtype, memory_format=layout)  # type: ignore[call-overload,no-any-return]
