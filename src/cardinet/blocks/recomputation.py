"""Recompute units in the backward pass instead of keeping what is inside them: Chen et al. 2016 (arXiv 1604.06174).

Also called gradient or activation checkpointing. A step has the same result, needs less memory and takes more time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint


class Recomputing(nn.Module):
    """Base of the modules that run units. With `recompute` training keeps only what goes into each unit.

    Their `forward` calls `run`. `recomputing` sets the attribute in a whole network; no unit is within another one.
    """

    OUTER: ClassVar[bool] = False
    """Whether some of the modules that it runs run units themselves."""

    recompute = False

    def run(self, chain: Sequence[nn.Module], *inputs: Any) -> Any:
        """The output of a chain of modules, the first of which takes the inputs: one unit."""
        if self.recompute and self.training and can_recompute():
            return recomputed(chain, *inputs)
        for module in chain:
            inputs = (module(*inputs),)
        return inputs[0]


class Units(nn.Sequential, Recomputing):
    """Units that run one after another."""

    def forward(self, x: Any) -> Any:
        for unit in self:
            x = self.run([unit], x)
        return x


def recomputing(network: nn.Module, recompute: bool = True) -> int:
    """Let a network recompute its units or not, in place; return the number of modules that run units."""
    count = 0
    if isinstance(network, Recomputing):
        network.recompute, count = recompute, 1
    if not isinstance(network, Recomputing) or network.OUTER:
        count += sum(recomputing(child, recompute) for child in network.children())
    return count


def recomputed(chain: Sequence[nn.Module], *inputs: Any) -> Any:
    """The output of a chain of modules. Only the inputs are kept; the backward pass computes the rest again.

    The second pass makes the same draws. It uses the parameters of the first pass, even if they were replaced since. It
    writes running statistics to copies, so that they are updated only once.
    """
    tensors = [(module, dict(module.named_parameters()), dict(module.named_buffers())) for module in chain]

    def run(*inputs: Any) -> Any:
        for module, parameters, buffers in tensors:
            inputs = (functional_call(module, parameters | buffers, inputs),)
        return inputs[0]

    out = checkpoint(run, *inputs, use_reentrant=False)
    tensors = [(module, own, {name: buffer.clone() for name, buffer in kept.items()}) for module, own, kept in tensors]
    return out


def can_recompute() -> bool:
    """Whether torch records a graph, outside of torch.func and torch.compile, where a checkpoint does not work."""
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return False
    try:  # torch.func refuses the hooks that a checkpoint needs
        with saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
            return True
    except RuntimeError:
        return False
