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

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def reestimated(network: N, batches: Iterable[Tensor]) -> N:
    """A replica in eval mode whose running means and variances are the averages over the batches.

    `batches` are normalised pictures (B, C, H, W). All else is as in eval mode: nothing is dropped, no branch is
    closed. The replica shares the parameters. Raises WorkError if a batch has too few values for a variance.
    """
    made = replica(network).eval()
    estimates = Estimates(norms_in([made]))
    with torch.no_grad():
        for pixels in batches:
            with estimates.collecting():
                made(pixels)
    estimates.exchange()
    return made


def norms_in(modules: Iterable[nn.Module]) -> list[_BatchNorm]:
    """Every BN with running statistics in some modules, once each."""
    found = (inner for module in modules for inner in module.modules() if isinstance(inner, _BatchNorm))
    return [norm for norm in dict.fromkeys(found) if norm.track_running_stats]


class Estimates:
    """Running statistics of some norms, kept apart: the norms have them only within `collecting` and `used`.

    So one network can have many estimates, such as one for each of its lesions.
    """

    def __init__(self, norms: Iterable[_BatchNorm]) -> None:
        self.norms = list(norms)
        self.buffers = [_reset(norm) for norm in self.norms]

    def exchange(self) -> None:
        """Give the norms these statistics, and keep those that they had."""
        for norm, buffers in zip(self.norms, self.buffers, strict=True):
            for name in BUFFERS:
                buffers[name], norm._buffers[name] = norm._buffers[name], buffers[name]

    @contextmanager
    def used(self) -> Iterator[None]:
        """A context in which the norms have these statistics."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """A context for one pass, which adds its batch to the averages.

        The batch is normalised by its own statistics, as in training. Raises WorkError if it has too few values for a
        variance.
        """
        momenta = [norm.momentum for norm in self.norms]
        for norm in self.norms:
            norm.momentum = None  # torch's word for the average over all batches
            norm.training = True
        try:
            with self.used():
                yield
        except ValueError:  # torch's name for the variance of one value
            raise WorkError("The statistics of BN need at least 2 pictures in every batch.") from None
        finally:
            for norm, momentum in zip(self.norms, momenta, strict=True):
                norm.momentum = momentum
                norm.training = False


def _reset(norm: _BatchNorm) -> dict[str, Tensor | None]:
    """The statistics of a norm that has seen no batch."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return {
        "running_mean": torch.zeros_like(norm.running_mean),
        "running_var": torch.ones_like(norm.running_var),
        "num_batches_tracked": torch.zeros((), dtype=torch.long, device=norm.running_mean.device),
    }


def statistics_batches(pixels: Tensor) -> tuple[Tensor, ...]:
    """Pictures (B, C, H, W) in as few batches as possible, nearly equal, of at most 128 pictures."""
    return pixels.chunk(-(-len(pixels) // LARGEST_BATCH))


def even_size(pictures: int, most: int) -> int:
    """The size of batches that makes them nearly equal: at most `most` and 128 pictures."""
    batches = -(-pictures // min(most, LARGEST_BATCH))
    return -(-pictures // batches)
