"""The graph of a network in torch's operators, for any number of pictures. Runtimes and files start from it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from cardinet.rewrite.strip import strip

NOTES = ("stack_trace", "source_fn_stack", "torch_fn")
"""Notes of a node about its place in the source, with paths of this machine."""


def float_copy(network: nn.Module) -> nn.Module:
    """A float32 copy on the CPU in eval mode, without layers that act only in training."""
    twin = strip(network).to("cpu", torch.float32).eval().requires_grad_(False)
    return twin.to(memory_format=torch.contiguous_format)


def program_of(network: nn.Module, pixels: Tensor) -> ExportedProgram:
    """The program of a network that runs as it is on such pixels, here at least two pictures; their number is free."""
    with torch.no_grad():
        program = torch.export.export(network, (pixels,), dynamic_shapes=({0: Dim("batch")},))
    for node in program.graph.nodes:
        for note in NOTES:
            node.meta.pop(note, None)
    return program
