"""The network in torch's eager mode, as `cardinet predict` runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardinet.runtimes.runtime import Precision, Runtime

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cardinet.runtimes.runtime import Prepared


class Eager(Runtime):
    """Stripped of random layers, channels_last; in bfloat16 its weights are converted once."""

    name, about = "eager", "Cardinet's network in eager mode, as predict runs it (channels_last)"
    devices = ("cpu", "cuda")
    own = True

    def prepare(
        self, network: nn.Module, shape: tuple[int, ...], precision: Precision, threads: int, device: str = "cpu"
    ) -> Prepared:
        from cardinet.runtimes.graph import float_copy

        return called(float_copy(network), precision, device)


def called(network: nn.Module, precision: Precision, device: str, *, channels_last: bool = True) -> Prepared:
    """A network of torch as a function; it is put on the device, into the precision and the layout."""
    import torch

    dtype = getattr(torch, precision)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    there = network.eval().to(device, dtype).to(memory_format=layout)

    def run(pixels: Tensor) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = there(pixels.to(device, dtype, memory_format=layout)).float()
            return logits

    return run
