"""The network compiled by torch.compile, with its weights frozen into the code."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from cardinet.runtimes.eager import placed
from cardinet.runtimes.runtime import Runtime, Use

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cardinet.runtimes.runtime import Prepared


class Compiled(Runtime):
    """BN folded in float32, channels_last, TorchInductor with freezing; bfloat16 weights are converted first."""

    name, about = "compile", "torch.compile with freezing, BN folded, channels_last"
    devices = ("cpu", "cuda")

    def placed(self, pixels: Tensor, use: Use) -> Tensor:
        return placed(pixels, use)

    def prepare(self, network: nn.Module, use: Use) -> Prepared:
        import torch

        from cardinet.base.errors import RequestError
        from cardinet.base.extras import quiet
        from cardinet.rewrite.fold import fold
        from cardinet.runtimes.graph import float_copy

        twin = float_copy(network)
        with suppress(RequestError):  # there is no BN that can be folded
            twin = fold(twin)
        twin = twin.to(use.device, getattr(torch, use.precision)).to(memory_format=torch.channels_last)
        fast = torch.compile(twin, dynamic=False, options={"freezing": True})

        def run(pixels: Tensor) -> Tensor:
            with torch.no_grad():  # the compiler freezes nothing in inference mode
                logits: Tensor = fast(placed(pixels, use)).float()
                return logits

        with quiet("torch.utils.cpp_extension"):  # it warns of a missing CUDA
            run(torch.zeros(use.shape))
        return run
