"""The convolutions that can lose output channels, and the multiply-adds of a narrower network.

Ding et al. 2020, Sections 3.2 and 4 (arXiv 2007.03260): the convolutions within a unit, whose channels only the next
convolution reads. Convolutions whose channels a shortcut shares cannot lose channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.build.meta import on_meta
from cardinet.rewrite.data_flow import Flow, flow_of

PASSING = ("relu", "relu_", "max_pool2d_with_indices", "avg_pool2d")
"""Operations that may stand between a convolution and its reader: they treat channels separately and keep zeros."""


@dataclass(frozen=True)
class Prunable:
    """A convolution whose channels can be dropped, the BN after it if any, and the convolution that reads it."""

    conv: str
    norm: str | None
    reader: str


def prunable(network: nn.Module) -> list[Prunable]:
    """The prunable convolutions of a network in call order.

    Their output, after BN, ReLU and pools, is read by exactly one other convolution. Neither convolution may have
    groups, which fix the channels.
    """
    flow, found = flow_of(network), []
    for call in flow.calls:
        if call.operation != "convolution" or call.layer is None or not _free(network, call.layer, flow):
            continue
        norm, value, reader = None, call.makes[0], flow.only_reader(call.makes[0])
        if reader is not None and reader.operation == "norm":
            norm, value = reader.layer, reader.makes[0]
            reader = flow.only_reader(value)
        while reader is not None and reader.operation in PASSING:
            value = reader.makes[0]
            reader = flow.only_reader(value)
        if reader is None or reader.operation != "convolution" or reader.layer is None:
            continue
        if _free(network, reader.layer, flow):
            found.append(Prunable(call.layer, norm, reader.layer))
    return found


def _free(network: nn.Module, name: str, flow: Flow) -> bool:
    conv = network.get_submodule(name)
    calls = flow.of_layer[name]
    maker = flow.makers.get(calls[0].reads[0])
    pooled = maker is not None and maker.operation == "mean"  # the hidden units of a gate or of an attention
    return isinstance(conv, nn.Conv2d) and conv.groups == 1 and len(calls) == 1 and not pooled


class Budget:
    """The multiply-adds of a network for one picture of `side` pixels, as a function of its pruned widths.

    They count convolution and linear layers, but no compactors, which are merged in the end.
    """

    def __init__(self, network: nn.Module, side: int, places: list[Prunable]) -> None:
        self.places = {place.conv: place for place in places}
        self.readers = {place.reader: place.conv for place in places}
        self.whole = 0
        self.factors: dict[str, float] = {}
        self.widths: dict[str, tuple[int, int]] = {}
        empty = on_meta(network)
        for name, module in empty.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(self._counter(name))
        spec: Any = network.spec
        with torch.no_grad():
            dtype = next(empty.parameters()).dtype
            empty(torch.empty(1, spec.in_channels, side, side, device="meta", dtype=dtype))

    def _counter(self, name: str) -> Any:
        def count(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            macs = output.numel() * prod(module.weight.shape[1:])
            self.whole += macs
            if name in self.places or name in self.readers:
                out, inner = module.weight.shape[:2]
                self.widths[name] = out, inner
                self.factors[name] = self.factors.get(name, 0.0) + macs / (out * inner)

        return count

    def macs(self, kept: Mapping[str, int]) -> float:
        """The multiply-adds if the convolutions in `kept` have these output channels, and all others do not change."""
        total = float(self.whole)
        for name, factor in self.factors.items():
            out, inner = self.widths[name]
            left = kept.get(name, out) * kept.get(self.readers.get(name, ""), inner)
            total += factor * (left - out * inner)
        return total
