"""The proof that a rewrite kept the function: the same pictures through both networks."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError


@dataclass(frozen=True)
class Proof:
    """The largest difference between the logits of two networks, relative to the largest logit of the first.

    `float64` says whether they are the same function, `float32` what a user will see. Not finite where a
    logit is not.
    """

    float64: float
    float32: float
    pictures: int


def prove(before: nn.Module, after: nn.Module, pixels: Tensor) -> Proof:
    """Compare two networks in eval mode on pictures (N, C, H, W); both work on copies and stay as they are.

    Raises RequestError without pictures, and where the logits have different shapes.
    """
    if len(pixels) == 0:
        raise RequestError("A proof needs at least one picture.")
    return Proof(
        float64=_difference(before, after, pixels, torch.float64),
        float32=_difference(before, after, pixels, torch.float32),
        pictures=len(pixels),
    )


def _difference(before: nn.Module, after: nn.Module, pixels: Tensor, dtype: torch.dtype) -> float:
    expected, found = _logits(before, pixels, dtype), _logits(after, pixels, dtype)
    if expected.shape != found.shape:
        raise RequestError(f"The logits differ in shape: {tuple(expected.shape)} before, {tuple(found.shape)} after.")
    difference = (found - expected).abs().max()
    return 0.0 if difference == 0 else float(difference / expected.abs().max())


def _logits(network: nn.Module, pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """The logits of a copy of the network in eval mode, on the CPU in float64."""
    twin = copy.deepcopy(network).to(dtype).eval()
    device = next(twin.parameters()).device
    with torch.inference_mode():
        logits: Tensor = twin(pixels.to(device, dtype))
    return logits.cpu().double()
