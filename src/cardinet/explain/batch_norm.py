"""The running statistics of BN, estimated again from given pictures.

A network with new weights has none, and those of a changed network belong to the network that it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cardinet.base.errors import WorkError
from cardinet.explain.switches import replica

N = TypeVar("N", bound=nn.Module)

LARGEST_BATCH = 128


def reestimated(network: N, batches: Iterable[Tensor]) -> N:
    """A replica in eval mode whose running means and variances are the averages over the batches.

    `batches` are normalised pictures (B, C, H, W). All else is as in eval mode: nothing is dropped, no branch is
    closed. The replica shares the parameters. Raises WorkError if a batch has too few values for a variance.
    """
    made = replica(network, own_buffers=True).eval()
    with torch.no_grad(), estimating(norms_in([made])):
        for pixels in batches:
            made(pixels)
    return made


def norms_in(modules: Iterable[nn.Module]) -> list[_BatchNorm]:
    """Every BN with running statistics in some modules, once each."""
    found = (inner for module in modules for inner in module.modules() if isinstance(inner, _BatchNorm))
    return [norm for norm in dict.fromkeys(found) if norm.track_running_stats]


@contextmanager
def estimating(norms: Iterable[_BatchNorm]) -> Iterator[None]:
    """A context in which passes estimate running statistics anew: the averages over the batches.

    Each batch is normalised by its own statistics, as in training. The norms must have buffers of their own. Raises
    WorkError if a batch has too few values for a variance.
    """
    chosen = list(norms)
    momenta = [norm.momentum for norm in chosen]
    for norm in chosen:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the average over all batches
        norm.train()
    try:
        yield
    except ValueError:  # torch's name for the variance of one value
        raise WorkError("The statistics of BN need at least 2 pictures in every batch.") from None
    finally:
        for norm, momentum in zip(chosen, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


def statistics_batches(pixels: Tensor) -> tuple[Tensor, ...]:
    """Pictures (B, C, H, W) in as few batches as possible, nearly equal, of at most 128 pictures."""
    return pixels.chunk(-(-len(pixels) // LARGEST_BATCH))
