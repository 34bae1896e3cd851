"""The network compiled by torch.compile, with its weights frozen into the code."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from cardinet.runtimes.runtime import Precision, Runtime

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cardinet.runtimes.runtime import Prepared


class Compiled(Runtime):
    """BN folded in float32, channels_last, TorchInductor with freezing; bfloat16 weights are converted first."""

    name, about = "compile", "torch.compile with freezing, BN folded, channels_last"
    devices = ("cpu", "cuda")

    def prepare(
        self, network: nn.Module, shape: tuple[int, ...], precision: Precision, threads: int, device: str = "cpu"
    ) -> Prepared:
        import torch

        from cardinet.base.errors import RequestError
        from cardinet.base.extras import quiet
        from cardinet.rewrite.fold import fold
        from cardinet.runtimes.graph import float_copy

        twin = float_copy(network)
        with suppress(RequestError):  # there is no BN that can be folded
            twin = fold(twin)
        dtype = getattr(torch, precision)
        twin = twin.to(device, dtype).to(memory_format=torch.channels_last)
        fast = torch.compile(twin, dynamic=False, options={"freezing": True})

        def run(pixels: Tensor) -> Tensor:
            with torch.no_grad():  # the compiler freezes nothing in inference mode
                logits: Tensor = fast(pixels.to(device, dtype, memory_format=torch.channels_last)).float()
                return logits

        with quiet("torch.utils.cpp_extension"):  # it warns of a missing CUDA
            run(torch.zeros(shape))
        return run
