"""Runtimes in place of the installed ones: their answers and their times are made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from torch import Tensor, nn

from cardinet.fast import measuring
from cardinet.runtimes import RUNTIMES
from cardinet.runtimes.eager import Eager

Answer = Callable[[Tensor, str], Tensor]
"""From the network's logits, and the precision, to those of a runtime."""


def same(logits: Tensor, precision: str) -> Tensor:
    return logits


def first_swapped(logits: Tensor, precision: str) -> Tensor:
    """In float32 the network's; else the two most probable classes of the first picture of a pass are swapped."""
    swapped = logits.clone()
    if precision != "float32":
        top = logits[0].topk(2).indices
        swapped[0, top] = logits[0, top.flip(0)]
    return swapped


def wrong(logits: Tensor, precision: str) -> Tensor:
    return logits.roll(1, 1)


def broken(logits: Tensor, precision: str) -> Tensor:
    raise RuntimeError("an operation is missing")


class MadeUp(Eager):
    """The network in eager mode, on the CPU only, with other answers. It counts its passes and its preparations."""

    devices = ("cpu",)  # type: ignore[assignment]

    def __init__(self, name: str, answer: Answer) -> None:
        self.name, self.answer = name, answer  # type: ignore[misc]
        self.passes = self.preparations = 0

    def prepare(self, network: nn.Module, *how: Any, **more: Any) -> Callable[[Tensor], Tensor]:
        run = super().prepare(network, *how, **more)
        precision = next(word for word in (*how, *(getattr(one, "precision", "") for one in how)) if word in KNOWN)
        self.preparations += 1

        def counted(pixels: Tensor) -> Tensor:
            self.passes += 1
            return self.answer(run(pixels), precision)

        return counted


KNOWN = ("float32", "bfloat16")


class Installed:
    """The runtimes of a test: kernels, onnxruntime and openvino, each with an answer. The first one is the fastest."""

    def __init__(self, patch: pytest.MonkeyPatch, **answers: Answer) -> None:
        self.runtimes = {name: MadeUp(name, answer) for name, answer in answers.items()}
        self.measurements = 0
        for name in ("kernels", "onnxruntime", "openvino"):
            self.runtimes.setdefault(name, MadeUp(name, broken))
            patch.setitem(RUNTIMES, name, self.runtimes[name])
        patch.setattr(measuring, "_medians", self._medians)

    def _medians(self, rivals: Mapping[str, measuring.Rival], pixels: Tensor) -> dict[str, float]:
        self.measurements += 1
        order = {name: place for place, name in enumerate((*self.runtimes, "eager"))}
        off = {"float32": 0.5, "bfloat16": 0.0}
        return {name: 100.0 * (1 + order[one.runtime] + off[one.precision]) for name, one in rivals.items()}

    def __getitem__(self, name: str) -> MadeUp:
        return self.runtimes[name]
