"""The graph of a model in torch's operators, from which every exported file starts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from cardinet.data.preprocessing import Preprocessing
from cardinet.runs.model_file import Model
from cardinet.runtimes.graph import float_copy, program_of


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


def graph_of(model: Model, with_preprocessing: bool) -> ExportedProgram:
    """The program from pixels (N, C, crop, crop) to logits (N, K).

    The pixels are normalised float32 values, or with the preprocessing uint8.
    """
    network = float_copy(model.network)
    p = model.preprocessing
    pixels = torch.zeros(2, p.channels, p.crop, p.crop, dtype=torch.uint8 if with_preprocessing else torch.float32)
    whole = Normalised(network, p).eval() if with_preprocessing else network
    return program_of(whole, pixels)
