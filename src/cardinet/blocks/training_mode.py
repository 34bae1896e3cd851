"""The mode of a network: training or eval."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def kept_mode(network: nn.Module) -> Iterator[None]:
    """A context that restores the mode of every module of a network at its end, also after an error."""
    before = [(module, module.training) for module in network.modules()]
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


@contextmanager
def eval_mode(network: nn.Module) -> Iterator[None]:
    """A context in which a network is in eval mode. It restores the mode of every module at its end, as `kept_mode`."""
    with kept_mode(network):
        network.eval()
        yield
