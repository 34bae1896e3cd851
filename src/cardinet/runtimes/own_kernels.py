"""The network on Cardinet's own kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardinet.runtimes.runtime import Runtime, Use

if TYPE_CHECKING:
    from torch import nn

    from cardinet.runtimes.runtime import Prepared


class OwnKernels(Runtime):
    """The room `inference`: steps from the data flow, kernels that are compiled on first use."""

    name, about = "kernels", "Cardinet's own kernels for the CPU"
    own = True

    def prepare(self, network: nn.Module, use: Use) -> Prepared:
        import torch

        from cardinet.inference.network import prepare
        from cardinet.runtimes.graph import float_copy

        assert use.precision != "int8"
        made = prepare(float_copy(network), use.precision, use.threads)
        made(torch.zeros(use.shape))  # it makes its buffers for this shape
        return made
