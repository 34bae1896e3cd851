"""The mode that a network is in: training, or eval."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def kept_mode(network: nn.Module) -> Iterator[None]:
    """Afterwards each module of a network is in the mode that it was in, also after an error."""
    before = [(module, module.training) for module in network.modules()]
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


@contextmanager
def eval_mode(network: nn.Module) -> Iterator[None]:
    """Put a network in eval mode; afterwards each of its modules is in the mode that it was in, also after an error."""
    with kept_mode(network):
        network.eval()
        yield
