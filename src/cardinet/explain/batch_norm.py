"""The running statistics of BN, estimated again from given pictures.

A network with new weights has none, and those of a changed network belong to the network that it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

from cardinet.base.errors import WorkError
from cardinet.explain.switches import replica

N = TypeVar("N", bound=nn.Module)


def reestimated(network: N, batches: Iterable[Tensor]) -> N:
    """A replica in eval mode whose running means and variances are the averages over the batches.

    `batches` are normalised pictures (B, C, H, W). All else is as in eval mode: nothing is dropped, no branch is
    closed. The replica shares the parameters. Raises WorkError if a batch has too few values for a variance.
    """
    made = replica(network, own_buffers=True).eval()
    norms = [m for m in made.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for the average over all batches
        norm.train()
    try:
        with torch.no_grad():
            for pixels in batches:
                made(pixels)
    except ValueError:  # torch's name for the variance of one value
        raise WorkError("The statistics of BN need at least 2 pictures in every batch.") from None
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
    return made
