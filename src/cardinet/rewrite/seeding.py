"""Random weights of new modules in a rewrite. They depend only on a seed, and torch's generators stay unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from cardinet.base.errors import RequestError

AnyModule = TypeVar("AnyModule", bound=nn.Module)


@contextmanager
def seeded_draws(seed: int) -> Iterator[None]:
    """A context in which torch draws from a seed on the CPU. At its end torch's generator is restored.

    Raises RequestError for an invalid seed.
    """
    state = torch.get_rng_state()
    seeded_generator(seed)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would change the generators of other devices too
    try:
        yield
    finally:
        torch.set_rng_state(state)


def seeded_generator(seed: int) -> torch.Generator:
    """A generator on the CPU. Raises RequestError for an invalid seed."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise RequestError(f"seed = {seed!r}: give a whole number from 0 to 2^63 - 1.")
    return torch.Generator().manual_seed(seed)


def placed_like(module: AnyModule, like: torch.Tensor, layout: torch.memory_format) -> AnyModule:
    """Move a module to the device and dtype of the tensor `like`, in a memory layout."""
    return module.to(device=like.device, dtype=like.dtype, memory_format=layout)  # type: ignore[call-overload,no-any-return]
