"""Merges: how a unit joins its shortcut and its branch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cardinet.blocks.shared_draw import shared

Branch = Callable[[], Tensor]
"""A branch as a function. It is computed only when it is called."""


class Add(nn.Module):
    """shortcut + branch."""

    def __init__(self, *, place: tuple[int, int] = (1, 1)) -> None:
        super().__init__()

    def forward(self, skip: Tensor, branch: Branch) -> Tensor:
        return branch() + skip


class Weighted(nn.Module):
    """skip * shortcut + branch * branch, both constants: the expectation of a merge that drops at random."""

    def __init__(self, skip: float = 1.0, branch: float = 1.0) -> None:
        super().__init__()
        self.skip, self.branch = skip, branch

    def forward(self, skip: Tensor, branch: Branch) -> Tensor:
        if self.skip != 1:
            skip = skip * self.skip
        return skip + (branch() * self.branch if self.branch != 1 else branch())

    def extra_repr(self) -> str:
        return f"skip={self.skip:.4g}, branch={self.branch:.4g}"


class Drawn(nn.Module):
    """Base of the merges that draw at random in training; with `drawing` in eval mode too (stochastic inference)."""

    drawing = False

    @property
    def draws(self) -> bool:
        return self.training or self.drawing

    def expected(self) -> Weighted:
        """The merge without random draws that computes the same as this one in eval mode."""
        raise NotImplementedError


class StochasticDepth(Drawn):
    """shortcut + b * branch, b ~ Bernoulli(survival), drawn per mini-batch or per sample (arXiv 1603.09382).

    A unit that is closed for the whole mini-batch does not call its branch: there is no forward and no backward pass,
    and its BN statistics do not change. The draw per mini-batch is made on the CPU, to avoid waiting for the device.
    `open` replaces this draw, if somebody else draws for all units.
    """

    open: bool | None = None

    def __init__(self, *, last: float, rule: str, per: str, rescale: str, place: tuple[int, int]) -> None:
        super().__init__()
        unit, units = place
        self.survival = last if rule == "uniform" else 1 - unit / units * (1 - last)
        self.per, self.rescale = per, rescale

    def forward(self, skip: Tensor, branch: Branch) -> Tensor:
        if not self.draws:
            return skip + (branch() * self.survival if self.rescale == "test" else branch())
        scale = 1 / self.survival if self.rescale == "train" else 1.0
        if self.per == "batch":
            opened = self._opened() if self.open is None else self.open
            if not opened:
                return skip
            return skip + (branch() * scale if scale != 1 else branch())
        open_ = skip.new_empty(skip.shape[0], 1, 1, 1).bernoulli_(self.survival) * scale
        return skip + branch() * open_

    def _opened(self) -> bool:
        return shared(torch.rand((), device="cpu")).item() < self.survival

    def expected(self) -> Weighted:
        return Weighted(branch=self.survival if self.rescale == "test" else 1.0)

    def extra_repr(self) -> str:
        return f"survival={self.survival:.4g}, per={self.per}, rescale={self.rescale}"


class Swapout(Drawn):
    """theta1 * shortcut + theta2 * branch, both drawn per element (arXiv 1605.06465)."""

    def __init__(self, *, last: tuple[float, float], rule: str, rescale: str, place: tuple[int, int]) -> None:
        super().__init__()
        unit, units = place
        depth = 1.0 if rule == "uniform" else (unit - 1) / max(1, units - 1)
        self.keep = tuple(1 - depth * (1 - p) for p in last)
        self.rescale = rescale

    def forward(self, skip: Tensor, branch: Branch) -> Tensor:
        return self._kept(skip, self.keep[0]) + self._kept(branch(), self.keep[1])

    def _kept(self, x: Tensor, keep: float) -> Tensor:
        if keep == 1:
            return x
        if self.draws:
            theta = torch.empty_like(x).bernoulli_(keep)
            return x * (theta / keep if self.rescale == "train" else theta)
        return x * keep if self.rescale == "test" else x

    def expected(self) -> Weighted:
        return Weighted(*self.keep) if self.rescale == "test" else Weighted()

    def extra_repr(self) -> str:
        return f"keep=({self.keep[0]:.4g}, {self.keep[1]:.4g}), rescale={self.rescale}"


@contextmanager
def drawing(network: nn.Module) -> Iterator[None]:
    """A context in which the merges of a network draw in eval mode too; BN still uses its running statistics."""
    merges = [module for module in network.modules() if isinstance(module, Drawn)]
    for merge in merges:
        merge.drawing = True
    try:
        yield
    finally:
        for merge in merges:
            merge.drawing = False


def stochastic_inference(network: nn.Module, x: Tensor, passes: int = 30) -> Tensor:
    """Class probabilities (N, num_classes): the mean softmax of several random passes (Swapout, Section 4).

    The network has to be in eval mode. The probabilities are float64.
    """
    with drawing(network):
        total: Tensor = network(x).double().softmax(1)
        for _ in range(passes - 1):
            total = total + network(x).double().softmax(1)
    return total / passes
