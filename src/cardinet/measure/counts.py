"""Exact counts of a network from one measured pass on the meta device, which computes shapes but no values.

Parameters are the trainable ones, without running statistics. MACs are the multiply-adds of convolution and linear
layers, also where a block calls them as functions. FLOPs = 2 x MACs. Activations are the output elements of those
layers.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from cardinet.base.errors import RequestError


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


class _Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up multiply-adds and outputs of every convolution and matrix product, per direct child of the network."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.child = ""
        self.macs: Counter[str] = Counter()
        self.activations: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        aten = torch.ops.aten
        if func is aten.native_batch_norm.default:  # only the shapes: the meta device decomposes it slowly
            nothing = args[0].new_empty(0)
            return torch.empty_like(args[0]), nothing, nothing
        out = func(*args, **(kwargs or {}))
        per_output = None
        if func is aten.convolution.default:
            per_output = math.prod(args[1].shape[1:])
        elif func is aten.addmm.default:
            per_output = args[1].shape[1]
        elif func in (aten.mm.default, aten.bmm.default):
            per_output = args[0].shape[-1]
        if per_output is not None:
            self.macs[self.child] += out.numel() * per_output
            self.activations[self.child] += out.numel()
        return out


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
    was_training = network.training
    try:
        with torch.no_grad(), meter:
            dtype = next(network.parameters()).dtype
            network.eval()(torch.empty(1, in_channels, input_size, input_size, device="meta", dtype=dtype))
    except (RuntimeError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise RequestError(
            f"This network cannot take a picture of {input_size} x {input_size} pixels ({reason})."
        ) from error
    finally:
        network.train(was_training)
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
