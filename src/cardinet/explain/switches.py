"""Switches in the units of a network: each closes one side of a unit, for values or only for gradients.

The user's network stays as it is: the switches are in a replica, which shares its parameters.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Literal, TypeVar

from torch import Tensor, nn

from cardinet.blocks.deeply_fused import FusedBlock
from cardinet.blocks.inception import ScaledResidual
from cardinet.blocks.merge import Branch
from cardinet.blocks.merge_and_run import MergeAndRunBlock
from cardinet.blocks.residual_unit import ResidualUnit
from cardinet.blocks.shortcut import Absent

N = TypeVar("N", bound=nn.Module)

Side = Literal["both", "shortcut", "branch"]


def replica(network: N) -> N:
    """A copy of a network that shares its parameters and buffers; `batch_norm.Estimates` gives it other statistics."""
    shared: list[Tensor] = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(tensor): tensor for tensor in shared})


class Switch(nn.Module):
    """The merge of a unit with a switch for each side.

    `values` are the sides whose values pass, `gradients` those through which gradients flow back. With all sides it is
    the merge. Only the shortcut: the unit is deleted (Veit et al. 2016, Section 4.1, arXiv 1605.06431).
    """

    def __init__(self, merge: nn.Module) -> None:
        super().__init__()
        self.merge = merge
        self.values: Side = "both"
        self.gradients: Side = "both"

    def forward(self, skip: Tensor, branch: Branch) -> Tensor:
        if self.values == "shortcut":
            return skip
        if self.values == "branch":
            skip = skip * 0
        if self.gradients == "branch":
            skip = skip.detach()
        y: Tensor = self.merge(skip, branch if self.gradients != "shortcut" else lambda: branch().detach())
        return y


def switched(network: N) -> tuple[N, dict[str, Switch]]:
    """A replica with a switch at every merge, and the switches; see `switched_in_place`."""
    made = replica(network)
    return made, switched_in_place(made)


def switched_in_place(made: nn.Module) -> dict[str, Switch]:
    """Put a switch at every merge of a replica. The switches are named by their merge, in the order of the network.

    A unit without a shortcut has no merge that is called, so it gets no switch.
    """
    switches: dict[str, Switch] = {}
    for name, module in list(made.named_modules()):
        for child in _merges(module):
            switches[f"{name}.{child}"] = switch = Switch(getattr(module, child))
            setattr(module, child, switch)
    return switches


def _merges(module: nn.Module) -> Iterable[str]:
    """The names of the children of a unit that join its two sides."""
    if isinstance(module, ResidualUnit):
        return () if isinstance(module.downsample, Absent) else ("merge",)
    if isinstance(module, FusedBlock):
        return ("merge",) if {"shallow"} < set(module.lines) else ()
    if isinstance(module, MergeAndRunBlock):
        if module.shallow1 is None:
            return ()
        return ("merge1",) if module.ends else ("merge1", "merge2")
    return ("merge",) if isinstance(module, ScaledResidual) else ()
