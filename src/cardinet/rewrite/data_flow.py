"""The data flow of a network: which layer reads which output. It is recorded on the meta device, without values.

Rewrites that join neighbouring layers use it. It is recorded from a real pass, as the counts are, so it fits any
network code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.build.meta import NORMS, Watcher, on_meta


@dataclass(frozen=True)
class Call:
    """One operation: its name in torch ("convolution", "add"), and the numbers of the values that it reads and makes.

    `layer` is the name of the module that owns its weights or statistics, if any. `inside` is the name of the innermost
    module that was running. `scalars` are its numeric arguments, `arguments` all in torch's order, None for tensors.
    """

    operation: str
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    layer: str | None = None
    inside: str = ""
    scalars: tuple[float, ...] = ()
    arguments: tuple[Any, ...] = ()


@dataclass
class Flow:
    """The calls of one pass, in order. Every value has one maker, except the picture and constants."""

    calls: list[Call] = field(default_factory=list)
    output: int = -1
    picture: int = 0

    def __post_init__(self) -> None:
        self.makers = {value: call for call in self.calls for value in call.makes}
        self.readers: dict[int, list[Call]] = defaultdict(list)
        for call in self.calls:
            for value in call.reads:
                self.readers[value].append(call)
        self.of_layer: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            if call.layer is not None:
                self.of_layer[call.layer].append(call)

    def only_reader(self, value: int) -> Call | None:
        """The call that reads a value, if there is exactly one; else None, also for the output of the network."""
        calls = self.readers[value]
        return calls[0] if len(calls) == 1 and value != self.output else None


class _Recorder:
    """Gives every tensor of a pass a number. A tensor that is changed in place gets a new number."""

    def __init__(self, owners: dict[int, str]) -> None:
        self.owners = owners
        self.inside: list[str] = [""]
        self.numbers: dict[int, int] = {}
        self.alive: list[Tensor] = []
        self.calls: list[Call] = []

    def number(self, tensor: Tensor, *, new: bool = False) -> int:
        key = id(tensor)
        if new or key not in self.numbers:
            self.numbers[key] = len(self.alive)
            self.alive.append(tensor)  # kept alive, so that no other tensor gets its id
        return self.numbers[key]

    def saw(self, func: Any, args: Sequence[Any], out: Any) -> None:
        name = func.overloadpacket.__name__
        tensors, numbers = _flat(args)
        layer = next((self.owners[id(tensor)] for tensor in tensors if id(tensor) in self.owners), None)
        reads = tuple(self.number(tensor) for tensor in tensors if id(tensor) not in self.owners)
        made = _flat((out,))[0]
        makes = tuple(self.number(tensor, new=True) for tensor in made)
        if reads:
            operation = "norm" if name in NORMS else name
            plain = tuple(None if isinstance(each, Tensor) else each for each in args)
            self.calls.append(Call(operation, reads, makes, layer, self.inside[-1], tuple(numbers), plain))
        elif layer is not None:  # a view of a weight, such as the transposed weight of a linear layer
            self.owners |= {id(tensor): layer for tensor in made}

    def watch(self, network: nn.Module) -> None:
        """Record which module is running."""

        def enter(name: str, *_: Any) -> None:
            self.inside.append(name)

        def leave(*_: Any) -> None:
            self.inside.pop()

        for name, module in network.named_modules():
            module.register_forward_pre_hook(partial(enter, name))
            module.register_forward_hook(leave)


def _flat(values: Sequence[Any]) -> tuple[list[Tensor], list[float]]:
    """The tensors and the numbers among arguments, also the tensors in lists."""
    tensors: list[Tensor] = []
    numbers: list[float] = []
    for value in values:
        for inner in value if isinstance(value, list | tuple) else (value,):
            if isinstance(inner, Tensor):
                tensors.append(inner)
            elif isinstance(inner, int | float) and not isinstance(inner, bool) and inner is value:
                numbers.append(float(inner))
    return tensors, numbers


def flow_of(network: nn.Module) -> Flow:
    """The flow of a network in eval mode, for a picture of 3 x stride pixels, or more if the network needs more.

    Raises RequestError for a network without a description, or one that takes no picture of up to 24 x stride pixels.
    """
    spec: Any = getattr(network, "spec", None)
    if spec is None:
        raise RequestError("The layers of a network can be followed only with its description; this network has none.")
    for strides in (3, 6, 12, 24):
        with suppress(RuntimeError):
            return _recorded(on_meta(network), spec.in_channels, strides * spec.stride)
    raise RequestError(f"This network accepts no picture of up to {24 * spec.stride} x {24 * spec.stride} pixels.")


def _recorded(empty: nn.Module, channels: int, side: int) -> Flow:
    owners = {
        id(tensor): name
        for name, module in empty.named_modules()
        if not list(module.children())
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False))
    }
    x = torch.empty(1, channels, side, side, device="meta", dtype=next(empty.parameters()).dtype)
    recorder = _Recorder(owners)
    picture = recorder.number(x)
    recorder.watch(empty)
    with torch.no_grad(), Watcher(recorder.saw):
        y = empty(x)
    return Flow(recorder.calls, recorder.numbers[id(y)], picture)
