"""Exact counts of a network from one measured pass on the meta device, which computes shapes but no values.

Parameters are the trainable ones, without running statistics. MACs are the multiply-adds of convolution and linear
layers, also where a block calls them as functions. FLOPs = 2 x MACs. Activations are the output elements of those
layers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from cardinet.base.errors import RequestError
from cardinet.blocks.training_mode import eval_mode
from cardinet.build.meta import Watcher


@dataclass(frozen=True)
class Stage:
    """The counts of one direct child of the network. `output` is the shape of its output without the batch.

    If a child has several streams, their channels are summed.
    """

    name: str
    output: tuple[int, ...]
    params: int
    macs: int
    activations: int


@dataclass(frozen=True)
class Counts:
    """The counts of a network for one picture of shape `input` = (channels, height, width)."""

    input: tuple[int, int, int]
    params: int
    macs: int
    activations: int
    stages: tuple[Stage, ...]

    @property
    def flops(self) -> int:
        return 2 * self.macs

    def to_document(self) -> dict[str, Any]:
        """Plain data, as `cardinet info --json` prints it."""
        document = asdict(self)
        return {"input": list(self.input), "params": self.params, "macs": self.macs, "flops": self.flops} | {
            k: document[k] for k in ("activations", "stages")
        }


class _Meter:
    """Adds up multiply-adds and outputs of every convolution and matrix product, per direct child of the network."""

    def __init__(self) -> None:
        self.child = ""
        self.macs: Counter[str] = Counter()
        self.activations: Counter[str] = Counter()

    def saw(self, func: Any, args: Sequence[Any], out: Any) -> None:
        aten = torch.ops.aten
        if func is aten.convolution.default:
            per_output = math.prod(args[1].shape[1:])
        elif func is aten.addmm.default:
            per_output = args[1].shape[1]
        elif func in (aten.mm.default, aten.bmm.default):
            per_output = args[0].shape[-1]
        else:
            return
        self.macs[self.child] += out.numel() * per_output
        self.activations[self.child] += out.numel()


def count(network: nn.Module, input_size: int, in_channels: int = 3) -> Counts:
    """Count a network that was built on the meta device, for one square picture with sides of `input_size` pixels.

    Raises RequestError if the network cannot take such a picture.
    """
    meter = _Meter()
    outputs: dict[str, tuple[int, ...]] = {}
    hooks = []
    for name, child in network.named_children():

        def enter(module: nn.Module, args: Any, name: str = name) -> None:
            meter.child = name

        def leave(module: nn.Module, args: Any, out: Any, name: str = name) -> None:
            streams = out if isinstance(out, tuple) else (out,)
            outputs[name] = (sum(stream.shape[1] for stream in streams), *streams[0].shape[2:])

        hooks += [child.register_forward_pre_hook(enter), child.register_forward_hook(leave)]
    try:
        with eval_mode(network), torch.no_grad(), Watcher(meter.saw):
            dtype = next(network.parameters()).dtype
            network(torch.empty(1, in_channels, input_size, input_size, device="meta", dtype=dtype))
    except (RuntimeError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise RequestError(
            f"This network cannot take a picture of {input_size} x {input_size} pixels ({reason})."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    stages = tuple(
        Stage(name, outputs[name], parameters(child), meter.macs[name], meter.activations[name])
        for name, child in network.named_children()
    )
    size = (in_channels, input_size, input_size)
    return Counts(size, parameters(network), meter.macs.total(), meter.activations.total(), stages)


def parameters(module: nn.Module) -> int:
    """The number of trainable parameters, each counted once."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def count_spec(spec: Any, input_size: int) -> Counts:
    """The counts of the network that a description describes. Raises RequestError as `count` does."""
    from cardinet.build.builder import build

    return count(build(spec, device="meta"), input_size, spec.in_channels)
