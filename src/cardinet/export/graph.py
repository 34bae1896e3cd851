"""The graph of a network in torch's operators, for any number of pictures. Every format starts from it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from cardinet.data.preprocessing import Preprocessing
from cardinet.rewrite.strip import strip
from cardinet.runs.model_file import Model

NOTES = ("stack_trace", "source_fn_stack", "torch_fn")
"""Notes of a node about its place in the source, with paths of this machine."""


class Normalised(nn.Module):
    """uint8 (N, C, H, W) -> x / 255 -> - mean -> / std -> the network's logits; as `Preprocessing.normalise`."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.network((pixels.to(torch.float32) / 255 - self.mean) / self.std)
        return logits


def float_copy(network: nn.Module) -> nn.Module:
    """A float32 copy on the CPU in eval mode, without layers that act only in training."""
    twin = strip(network).to("cpu", torch.float32).eval().requires_grad_(False)
    return twin.to(memory_format=torch.contiguous_format)


def graph_of(model: Model, with_preprocessing: bool) -> ExportedProgram:
    """The program from pixels (N, C, crop, crop) to logits (N, K).

    The pixels are normalised float32 values, or with the preprocessing uint8.
    """
    network = float_copy(model.network)
    p = model.preprocessing
    pixels = torch.zeros(2, p.channels, p.crop, p.crop, dtype=torch.uint8 if with_preprocessing else torch.float32)
    whole = Normalised(network, p).eval() if with_preprocessing else network
    with torch.no_grad():
        program = torch.export.export(whole, (pixels,), dynamic_shapes=({0: Dim("batch")},))
    for node in program.graph.nodes:
        for note in NOTES:
            node.meta.pop(note, None)
    return program
