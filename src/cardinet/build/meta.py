"""The meta device, which computes shapes but no values: a copy of a network there, and a recorder of its passes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

NORMS = ("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training")
"""torch's names for BN."""

N = TypeVar("N", bound=nn.Module)


def on_meta(network: N) -> N:
    """A copy of a network on the meta device, in eval mode. It needs no memory for weights."""
    tensors = [*network.parameters(), *network.buffers()]
    memo: dict[int, Any] = {}
    for tensor in tensors:
        empty = tensor.detach().to("meta")
        parameter = isinstance(tensor, nn.Parameter)
        memo[id(tensor)] = nn.Parameter(empty, requires_grad=tensor.requires_grad) if parameter else empty
    return copy.deepcopy(network, memo).eval()


class Watcher(TorchDispatchMode):
    """A context that calls `saw` with every operation of a pass on the meta device, its arguments and its result.

    The results of BN are made here from their shapes, because the meta device is slow at BN.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: torch would import torch.compile for it, which takes a second or two."""
        return False

    def __init__(self, saw: Callable[[Any, Sequence[Any], Any], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.saw = saw

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = _normed(func, args)
        if out is None:
            out = func(*args, **(kwargs or {}))
        self.saw(func, (*args, *(kwargs or {}).values()), out)
        return out


def _normed(func: Any, args: Any) -> tuple[Tensor | None, ...] | None:
    """The results of BN or of its gradient; None for any other operation."""
    if func.overloadpacket.__name__ in NORMS:
        statistics = args[0].new_empty(args[0].shape[1], dtype=torch.float32)
        return torch.empty_like(args[0]), statistics, torch.empty_like(statistics)
    if func is torch.ops.aten.native_batch_norm_backward.default:
        grad, weight = args[0], args[2]
        of_weight = None if weight is None else torch.empty_like(weight)
        return torch.empty_like(grad), of_weight, None if weight is None else torch.empty_like(weight)
    return None
