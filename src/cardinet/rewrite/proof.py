"""The proof that a rewrite keeps the function: both networks compute the same pictures."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.rounding import float32_limit, share
from cardinet.rewrite.steps import REWRITES, Step


@dataclass(frozen=True)
class Proof:
    """The largest difference between the logits of two networks, relative to the largest logit of the first.

    `float64` says whether the functions are the same, `float32` what a user will see. A value is not finite if a logit
    is not.
    """

    float64: float
    float32: float
    pictures: int


@dataclass(frozen=True)
class Proven:
    """A step, the network after it, and its proofs by the kind of pictures ("random", "real").

    `stays` names the modules that the step did not change, each with the reason.
    """

    step: Step
    network: nn.Module
    proofs: Mapping[str, Proof]
    stays: Mapping[str, str]

    def to_document(self) -> dict[str, Any]:
        """Plain data."""
        proofs = {kind: asdict(proof) for kind, proof in self.proofs.items()}
        return self.step.to_document() | {"proofs": proofs, "stays": dict(self.stays)}


Pictures = Callable[[int], Mapping[str, Tensor]]
"""A function from a number of channels to pictures (N, C, H, W) by kind; a kind may be missing."""


Typical = Callable[[], Iterable[Tensor]]
"""A function that gives batches of typical pictures (N, C, H, W) for a network."""


def prove(network: nn.Module, step: Step, pictures: Pictures, typical: Typical | None = None) -> Proven:
    """Apply a step to a copy of the network, and prove that the function stays the same.

    A rewrite that needs statistics of pictures takes them from the `typical` ones.

    The float64 proof applies the step to a float64 copy, so that it compares the rewrite and not the rounding of
    weights. The float32 proof uses the returned network. Raises RequestError if the step does not fit the network, and
    WorkError if the two networks differ by more than the rewrite allows.
    """
    rewrite = REWRITES[step.name]

    def applied(network: nn.Module) -> nn.Module:
        after = rewrite.apply(network, **step.arguments)
        return after if rewrite.settle is None or typical is None else rewrite.settle(after, typical())

    after, exact = applied(network), copy.deepcopy(network).double()
    pair = rewrite.same(network, after, **step.arguments)
    pair64 = rewrite.same(exact, applied(exact), **step.arguments)
    spec: Any = network.spec
    proofs = {}
    for kind, pixels in pictures(pair.channels or spec.in_channels).items():
        if len(pixels) == 0:
            raise RequestError("A proof needs at least one picture.")
        exactly, single = _logits(pair64.before, pixels, torch.float64), _logits(pair.before, pixels, torch.float32)
        proofs[kind] = Proof(
            float64=relative_difference(exactly, _logits(pair64.after, pixels, torch.float64)),
            float32=relative_difference(single, _logits(pair.after, pixels, torch.float32)),
            pictures=len(pixels),
        )
        rounding = float32_limit(proofs[kind].float32, partial(relative_difference, exactly, single))
        for precision, limit in (("float64", rewrite.limit), ("float32", max(rewrite.limit, rounding))):
            if not getattr(proofs[kind], precision) <= limit:  # also for NaN
                raise WorkError(
                    f'The rewrite "{step.name}" changed the function: on {kind} pictures the logits differ by '
                    f"{getattr(proofs[kind], precision):.1e} in {precision}, where {limit:.0e} is allowed. Please "
                    "report this."
                )
    return Proven(step, after, proofs, rewrite.stays(network))


def difference(before: nn.Module, after: nn.Module, pixels: Tensor, dtype: torch.dtype) -> float:
    """The largest difference of the logits in eval mode, relative to the largest logit of `before`.

    Copies of both networks are used. Raises RequestError if the logits have different shapes.
    """
    return relative_difference(_logits(before, pixels, dtype), _logits(after, pixels, dtype))


def relative_difference(expected: Tensor, found: Tensor) -> float:
    if expected.shape != found.shape:
        raise RequestError(f"The logits differ in shape: {tuple(expected.shape)} before, {tuple(found.shape)} after.")
    return share(float((found - expected).abs().max()), float(expected.abs().max()))


def _logits(network: nn.Module, pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """The logits of a copy of the network in eval mode, on the CPU in float64."""
    twin = copy.deepcopy(network).to(dtype).eval()
    device = next(twin.parameters()).device
    with torch.inference_mode():
        logits: Tensor = twin(pixels.to(device, dtype))
    return logits.cpu().double()
