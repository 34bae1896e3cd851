"""A network whose forward pass is computed by another runtime."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from cardinet.fast.choice import Choice
from cardinet.fast.measuring import in_batches
from cardinet.runs.computed_by import ComputedBy

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)


class FastForward:
    """The forward pass of a network in eval mode by a runtime, which takes pictures of one size.

    Everything else (another size, training, gradients, another device or precision) is computed by the network itself.
    """

    def __init__(
        self, network: nn.Module, run: Callable[[Tensor], Tensor], shape: tuple[int, ...], device: torch.device
    ) -> None:
        self._network, self._run, self._shape, self._device = network, run, shape, device

    def __call__(self, pixels: Tensor) -> Tensor:
        if self._network.training or torch.is_grad_enabled() or not self._fits(pixels):
            logits: Tensor = type(self._network).forward(self._network, pixels)
            return logits
        return in_batches(self._run, pixels, self._shape[0]).to(pixels.device)

    def __deepcopy__(self, memo: dict[int, Any]) -> FastForward:
        """That of a copied network. The runtime is the same; most runtimes cannot be copied."""
        return FastForward(copy.deepcopy(self._network, memo), self._run, self._shape, self._device)

    def _fits(self, pixels: Tensor) -> bool:
        one = pixels.dtype == torch.float32 and pixels.device == self._device and len(pixels) > 0
        return one and tuple(pixels.shape[1:]) == self._shape[1:]


def with_forward(
    network: AnyNetwork,
    run: Callable[[Tensor], Tensor],
    shape: tuple[int, ...],
    by: ComputedBy,
    choice: Choice | None = None,
) -> AnyNetwork:
    """The same network, with the same parameters, whose forward pass in eval mode is `run`.

    `run` takes pixels of `shape`, (N, C, H, W), and keeps the weights that the network has now. The choice is in the
    attribute `choice`, if there was one; `by` is what runs it (`runs.computed_by`).
    """
    twin = copy.copy(network)
    twin.forward = FastForward(twin, run, shape, next(network.parameters()).device)
    twin.computed_by = by  # type: ignore[assignment]
    twin.choice = choice  # type: ignore[assignment]
    return twin
