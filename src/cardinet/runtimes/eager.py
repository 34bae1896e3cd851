"""The network in torch's eager mode, as `cardinet predict` runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardinet.runtimes.runtime import Runtime, Use

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cardinet.runtimes.runtime import Prepared


class Eager(Runtime):
    """Stripped of random layers, channels_last; in bfloat16 its weights are converted once."""

    name, about = "eager", "Cardinet's network in eager mode, as predict runs it (channels_last)"
    devices = ("cpu", "cuda")
    own = True

    def placed(self, pixels: Tensor, use: Use) -> Tensor:
        return placed(pixels, use)

    def prepare(self, network: nn.Module, use: Use) -> Prepared:
        from cardinet.runtimes.graph import float_copy

        return called(float_copy(network), use)


def placed(pixels: Tensor, use: Use) -> Tensor:
    """Pixels on the device, in the precision and channels_last."""
    import torch

    return pixels.to(use.device, getattr(torch, use.precision), memory_format=torch.channels_last)


def called(network: nn.Module, use: Use) -> Prepared:
    """A network of torch as a function; it is put on the device, into the precision and into channels_last."""
    import torch

    there = network.eval().to(use.device, getattr(torch, use.precision)).to(memory_format=torch.channels_last)

    def run(pixels: Tensor) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = there(placed(pixels, use)).float()
            return logits

    return run
