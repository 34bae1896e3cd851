"""The memory that a network needs, from a pass on the meta device, which computes shapes but no values."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from cardinet.blocks.merge import StochasticDepth
from cardinet.blocks.training_mode import eval_mode, kept_mode
from cardinet.build.meta import Watcher

FLOAT = 4
"""Bytes of a float32."""

STEP, STEP_ROOM = 100_000_000, 1.1
"""Memory of a training step beside its tensors: bytes of torch's kernels, and a factor for their work space."""

FORWARD, FORWARD_ROOM = 30_000_000, 1.2
"""The same for a forward pass. All four numbers are fitted to the peaks of ten networks on a CPU."""


@dataclass(frozen=True)
class Memory:
    """Bytes that some work adds to those of the process: `fixed`, and `per_picture` for each picture of a batch."""

    fixed: int
    per_picture: int

    def of(self, pictures: int) -> int:
        """The bytes for a batch of so many pictures."""
        return self.fixed + pictures * self.per_picture

    def with_room(self, share: float) -> Memory:
        """This memory times `share`."""
        return Memory(int(share * self.fixed), math.ceil(share * self.per_picture))

    def largest_batch(self, available: int) -> int:
        """The largest power of two that fits into `available` bytes; 0 if not even one picture fits."""
        most = (available - self.fixed) // max(1, self.per_picture)
        return 0 if most < 1 else 1 << (most.bit_length() - 1)


def training_memory(
    network: nn.Module, side: int, channels: int, batch: int, *, parts: int = 1, bfloat16: bool = False
) -> Memory:
    """The memory of a step of SGD with momentum. The network is on the meta device, the pictures are `side` x `side`.

    It is the sum of parameters, momenta of those that are trained, and the peak of activations, gradients and other
    tensors of the passes. A network that recomputes its units is measured as such.

    With `parts` the batch passes in so many parts, and only one part is in memory at a time. `bfloat16` means autocast:
    activations have 2 bytes, and so has a copy of the parameters.
    """
    tensors = sum(p.numel() for p in network.parameters())
    state = sum(b.numel() for b in network.buffers())
    once = STEP + FLOAT * (tensors + state + sum(p.numel() for p in trained(network)))
    if bfloat16:  # the copies, and gradients of 4 bytes where the measured pass has 2
        once += 4 * tensors

    def step(pictures: int) -> int:
        return _peak(network, lambda: _forward_backward(network, pictures, side, channels), bfloat16)

    return _linear(step, -(-batch // parts), once, FLOAT * channels * side * side, parts).with_room(STEP_ROOM)


def evaluation_memory(network: nn.Module, side: int, channels: int, batch: int) -> Memory:
    """The memory of a forward pass on a batch: the parameters and the peak of the activations.

    The network is on the meta device. The batch has the precision of the parameters.
    """
    size = precision_of(network).itemsize
    once = FORWARD + size * sum(t.numel() for t in network.state_dict().values())

    @torch.no_grad()
    def forward(pictures: int) -> None:
        network(_pixels(network, pictures, side, channels))

    def step(pictures: int) -> int:
        return _peak(network, lambda: forward(pictures), False)

    with eval_mode(network):
        return _linear(step, batch, once, size * channels * side * side).with_room(FORWARD_ROOM)


def trained(network: nn.Module) -> Iterator[nn.Parameter]:
    """The parameters that have gradients."""
    return (parameter for parameter in network.parameters() if parameter.requires_grad)


def network_bytes(network: nn.Module) -> int:
    """Bytes of a network's parameters and buffers; on the meta device the bytes that they would need elsewhere."""
    return sum(t.numel() * t.element_size() for t in network.state_dict().values())


def precision_of(network: nn.Module) -> torch.dtype:
    """The type of a network's parameters; float32 if it has none."""
    return next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)


def _linear(step: Callable[[int], int], pictures: int, once: int, picture: int, parts: int = 1) -> Memory:
    """The line through the bytes of a batch (or of a part of it) and of its half; the batch's pixels are added.

    The half has at least two pictures, as batch normalisation has no variance over a single value.
    """
    pictures = max(4, pictures)
    half = pictures // 2
    whole, less = step(pictures), step(half)
    per_picture = max(0, whole - less) // (pictures - half)
    fixed = max(0, whole - pictures * per_picture)
    return Memory(once + fixed, -(-per_picture // parts) + picture)


def _pixels(network: nn.Module, pictures: int, side: int, channels: int) -> Tensor:
    empty = torch.empty(pictures, channels, side, side, device="meta", dtype=precision_of(network))
    return empty.to(memory_format=torch.channels_last)


def _forward_backward(network: nn.Module, pictures: int, side: int, channels: int) -> None:
    logits = network(_pixels(network, pictures, side, channels))
    logits.float().log_softmax(1).mean().backward()


def _peak(network: nn.Module, work: Callable[[], None], bfloat16: bool) -> int:
    """The peak of the bytes in use during some work, without the network's own."""
    with kept_mode(network), torch.random.fork_rng(devices=[]):
        for module in network.modules():
            if isinstance(module, StochasticDepth):  # no unit may be left out by chance
                module.training = False
        kept = {name: tensor.dtype for name, tensor in network.named_parameters()}
        if bfloat16:
            network.to(torch.bfloat16)
        meter = _Alive([*network.parameters(), *network.buffers()])
        try:
            with Watcher(meter.saw):
                work()
        finally:
            network.zero_grad()
            if bfloat16:
                network.to(next(iter(kept.values())))
    return meter.peak


class _Alive:
    """Adds up the bytes of the storages that operations make, until they are freed. Those of `own` do not count."""

    def __init__(self, own: Iterable[Tensor]) -> None:
        self.alive = {tensor.untyped_storage()._cdata: 0 for tensor in own}
        self.bytes = self.peak = 0

    def saw(self, func: Any, args: Sequence[Any], out: Any) -> None:
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        self.peak = max(self.peak, self.bytes + _unfolded(func, args, out))

    def _count(self, storage: Any) -> None:
        key = storage._cdata
        if key in self.alive:
            return
        self.alive[key] = storage.nbytes()
        self.bytes += storage.nbytes()
        weakref.finalize(storage, self._gone, key)

    def _gone(self, key: int) -> None:
        self.bytes -= self.alive.pop(key)


def _unfolded(func: Any, args: Any, out: Any) -> int:
    """Bytes of the unfolded input of a convolution in float64: a CPU has no better kernel for it."""
    if func is not torch.ops.aten.convolution.default or out.dtype != torch.float64:
        return 0
    weight, stride = args[1], args[3]
    if {*weight.shape[2:], *stride} == {1}:
        return 0
    columns = math.prod(weight.shape[1:])  # of one group, as the groups run one after the other
    return int(columns * out.shape[0] * math.prod(out.shape[2:]) * out.element_size())
