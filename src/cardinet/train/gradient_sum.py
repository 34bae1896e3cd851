"""The gradients of the parts of a batch in several processes, put together.

The sum is taken once for each step, after all parts of the batch have passed, over buffers whose layout is that of the
parameters. torch's DistributedDataParallel lays its buffers out anew after its first step, and the order in which
three or more processes add depends on the place in a buffer, so a resumed run would get other bits.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cardinet.runs.ranks import Ranks

BUFFER = 32 << 20
"""The approximate bytes of a buffer."""


def average_gradients(network: nn.Module, ranks: Ranks) -> None:
    """Replace every gradient by its mean over the processes, whose parts of the batch are equal in size.

    A parameter without a gradient in this process counts as zero; in no process it stays without one.
    """
    if ranks.alone:
        return
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    reached = ranks.sum(torch.tensor([parameter.grad is not None for parameter in trained], dtype=torch.int64)).tolist()
    for some in _buffers([parameter for parameter, count in zip(trained, reached, strict=True) if count]):
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in some]
        flat = ranks.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        flat /= ranks.count
        for parameter, gradient, mean in zip(some, gradients, flat.split([p.numel() for p in some]), strict=True):
            parameter.grad = gradient.copy_(mean.view(gradient.shape))


def _buffers(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """The parameters in groups of one dtype that fill about a buffer."""
    group: list[nn.Parameter] = []
    size = 0
    for parameter in parameters:
        if group and (size >= BUFFER or parameter.dtype != group[0].dtype):
            yield group
            group, size = [], 0
        group.append(parameter)
        size += parameter.numel() * parameter.element_size()
    if group:
        yield group


def mean_of_all(values: Tensor, ranks: Ranks) -> Tensor:
    """The mean over the processes."""
    return ranks.sum(values) / ranks.count
