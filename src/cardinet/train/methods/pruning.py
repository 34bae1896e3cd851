"""Pruning by ResRep: Ding et al. 2020, Sections 3.3 and 3.4 (arXiv 2007.03260).

Compactors follow the convolutions that can be narrowed. The other parameters learn the task as usual. A penalty acts on
the length of a compactor's rows, and the shortest rows of the whole network forget the task, so that the penalty takes
them to zero. At the end `merge_compactors` drops them. Two details are ours, for runs shorter than the authors': a row
that begins to forget loses its momentum too, and a row that passes zero stays there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from pydantic import Field

from cardinet.base.durations import Duration
from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.train.clock import Clock
from cardinet.train.methods import Conditions, Finished, Hooks, Method
from cardinet.train.optimizers import Positive, Share
from cardinet.train.optimizers.sgd import SGD

if TYPE_CHECKING:  # the settings are listed without torch, which takes seconds to import
    import torch
    from torch import Tensor, nn

    from cardinet.blocks.classifier import Classifier
    from cardinet.blocks.compactor import Compactor
    from cardinet.rewrite.steps import Step

PAPERS_LASSO, WITHIN = 1e-4, 0.05
"""The paper's strength of the penalty, and the share of a run in which a row should reach zero."""

LOST = 1e-3
"""The largest relative difference of the smaller network's logits, which comes from dropped rows near zero."""

PICTURES = 8
TINY = 1e-30
"""A row shorter than this has no direction."""


class Pruning(Method):
    """The network loses channels until only the requested share of its multiply-adds is left.

    From time to time more of the rows of compactors are masked. The masked ones forget the task, so that the penalty
    takes them to zero.
    """

    keep_macs: Annotated[float, Field(gt=0, lt=1)]
    """The share of the multiply-adds that is left at the end."""

    lasso: Positive | None = None
    """The strength of the penalty on the rows of compactors; none: the paper's 1e-4, or the strength that takes a row
    to zero within a twentieth of the run, if that is larger.
    """

    compactor_momentum: Share = 0.99
    """The momentum of the compactors; all other parameters have that of the optimizer."""

    mask_from: Duration = Duration("3 %")
    """The time from which rows are masked."""

    mask_until: Duration = Duration("60 %")
    """The time until which rows are masked; the masked ones have the rest of the run to reach zero."""

    mask_every: Duration = Duration("0.25 %")
    """The time between two choices of the rows that are masked."""

    mask_rows: Annotated[int, Field(ge=1)] | None = None
    """The most rows that are masked in addition at each choice; none: as many as would mask all within a third of the
    run.
    """

    SELECTS: ClassVar[bool] = False  # only the last network has lost what was asked for

    def check(self, network: Classifier, conditions: Conditions) -> None:
        findings = Findings()
        with findings:
            if not isinstance(conditions.optimizer, SGD):
                kind = type(conditions.optimizer).__name__
                raise RequestError(f"Pruning needs the momentum of SGD, but the optimizer is {kind}; use SGD.")
        with findings:
            if others := [type(method).__name__ for method in conditions.methods if method.REPLACES]:
                raise RequestError(
                    f"Pruning cannot be combined with {others[0]}: a row goes to zero, but its average does not."
                )
        with findings:
            check_target(self, network, conditions.side)
        with findings:
            check_masking(self, conditions.clock)
        findings.raise_if_any()

    def rewrites(self) -> tuple[Step, ...]:
        from cardinet.rewrite.steps import Step

        return (Step("compact"),)

    def groups(self, network: Classifier) -> Sequence[dict[str, Any]]:
        """Compactors have no decay, their own momentum, and no Nesterov step (Section 4.1)."""
        from cardinet.rewrite.narrow import compactors

        weights = [compactor.weight for compactor in compactors(network).values()]
        return ({"params": weights, "weight_decay": 0.0, "momentum": self.compactor_momentum, "nesterov": False},)

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        return Pruner(self, network, optimizer, conditions)

    def finish(self, network: Classifier, before: tuple[Step, ...], conditions: Conditions) -> Finished | None:
        return narrowed(self, network, before, conditions)


class Pruner(Hooks):
    """Changes the gradients of compactors before every update, and from time to time the rows that forget.

    Its decisions stand in the compactors' masks, which are buffers of the network, so checkpoints save them.
    """

    def __init__(
        self, settings: Pruning, network: nn.Module, optimizer: torch.optim.Optimizer, conditions: Conditions
    ) -> None:
        from cardinet.rewrite.narrow import compactors, without_compactors
        from cardinet.rewrite.prunable import Budget, prunable

        clock = conditions.clock
        plain, _ = without_compactors(network)
        self.optimizer = optimizer
        self.compactors = compactors(network)
        self.budget = Budget(plain, conditions.side, prunable(plain))
        self.target = settings.keep_macs * self.budget.whole
        self.lasso = lasso_of(settings, conditions)
        self.first, self.last, self.every = masking_steps(settings, clock)
        rows, third = sum(c.out_channels for c in self.compactors.values()), clock.length / 3
        self.most = settings.mask_rows or ceil(rows * self.every / third)
        self.rows: dict[str, Tensor] = {}

    def before_update(self, step: int) -> None:
        """Mask and penalise gradients."""
        import torch

        if self.first <= step <= self.last and (step - self.first) % self.every == 0:
            remembered = {name: compactor.mask.clone() for name, compactor in self.compactors.items()}
            self.choose()
            for name, compactor in self.compactors.items():
                self._still(compactor, (compactor.mask == 0) & (remembered[name] == 1))
        for compactor in self.compactors.values():
            rows = compactor.weight.detach()
            lengths = compactor.norms().clamp_min(TINY).view(-1, 1, 1, 1)
            if compactor.weight.grad is None:  # stochastic depth dropped its unit
                compactor.weight.grad = torch.zeros_like(compactor.weight)
            compactor.weight.grad.mul_(compactor.mask.view(-1, 1, 1, 1))
            compactor.weight.grad.add_(rows / lengths, alpha=self.lasso)
        self.rows = {name: compactor.weight.detach().clone() for name, compactor in self.compactors.items()}

    def after_update(self, step: int) -> None:
        """Set every forgetting row to zero if its step has passed zero.

        Only the penalty moves such a row, along itself. Without this the row would swing around zero until the learning
        rate is gone, as in the authors' code, whose runs have hundreds of epochs. A short run would end with rows that
        are too large to be dropped.
        """
        for name, compactor in self.compactors.items():
            weight = compactor.weight.detach()
            past = (weight * self.rows[name]).flatten(1).sum(1) <= 0
            stopped = past & (compactor.mask == 0)
            weight[stopped] = 0
            self._still(compactor, stopped)

    def choose(self) -> None:
        """Mask the shortest rows of the whole network until the target is met.

        It masks at most `mask_rows` more rows than now, and leaves at least one row of every compactor.
        """
        masked = sum(int((compactor.mask == 0).sum()) for compactor in self.compactors.values())
        met = self.budget.macs(self.widths()) <= self.target
        most = None if met else masked + self.most
        order = sorted(
            (length, name, row)
            for name, compactor in self.compactors.items()
            for row, length in enumerate(compactor.norms().tolist())
        )
        widths = {name: compactor.out_channels for name, compactor in self.compactors.items()}
        chosen: list[tuple[str, int]] = []
        for _, name, row in order:
            if self.budget.macs(widths) <= self.target or (most is not None and len(chosen) >= most):
                break
            if widths[name] > 1:
                widths[name] -= 1
                chosen.append((name, row))
        for compactor in self.compactors.values():
            compactor.mask.fill_(1)
        for name, row in chosen:
            self.compactors[name].mask[row] = 0

    def widths(self) -> dict[str, int]:
        """The rows of each compactor that do not forget."""
        return {name: int(compactor.mask.sum()) for name, compactor in self.compactors.items()}

    def _still(self, compactor: Compactor, rows: Tensor) -> None:
        """Set the momentum of some rows of a compactor to zero."""
        momentum = self.optimizer.state[compactor.weight].get("momentum_buffer")
        if momentum is not None:
            momentum[rows] = 0


def check_target(settings: Pruning, empty: nn.Module, side: int) -> None:
    """Raise RequestError if a network (on the meta device) cannot reach the target, for pictures of `side` pixels.

    That happens if no convolution can be narrowed, or too few, or if the smaller network could not be loaded again.
    """
    from cardinet.rewrite.narrow import compactors
    from cardinet.rewrite.prunable import Budget, prunable
    from cardinet.rewrite.steps import apply

    kept = dict.fromkeys(compactors(apply(empty, settings.rewrites())), 1)
    apply(empty, narrowing(empty, kept))
    budget = Budget(empty, side, prunable(empty))
    least = budget.macs(kept) / budget.whole
    if least > settings.keep_macs:
        raise RequestError(
            f"keep_macs = {settings.keep_macs:g}: with one channel left in each of the {len(kept)} convolutions of "
            f"this network that can be narrowed, {least:.3f} of its MACs remain (groups fix the channels of the "
            "others, or several layers read them). Give at "
            f"least {math.ceil(1000 * least) / 1000:g}, or take a smaller network: `cardinet plan --budget macs=N`."
        )


def check_masking(settings: Pruning, clock: Clock) -> None:
    """Raise RequestError if rows would be masked too late or never."""
    first, last, _ = masking_steps(settings, clock)
    if not first < last <= clock.length:
        raise RequestError(
            f'Pruning.mask_from = "{settings.mask_from}" and mask_until = "{settings.mask_until}" are steps '
            f"{first} and {last} of {clock.length}: give times that rise, the last within the run."
        )


def narrowing(plain: nn.Module, kept: dict[str, int]) -> tuple[Step, ...]:
    """The rewrites that give a network its structure after `merge_compactors`."""
    from cardinet.rewrite.narrow import has_norms
    from cardinet.rewrite.steps import Step

    return (*((Step("fold"),) if has_norms(plain) else ()), Step("narrow", {"kept": kept}))


def lasso_of(settings: Pruning, conditions: Conditions) -> float:
    """The strength of the penalty.

    With full momentum, a row of length 1 that nothing else moves loses lr * lasso / (1 - momentum) at every step. The
    momentum needs about 1 / (1 - momentum) steps to build up, which is a large part of a short run.
    """
    if settings.lasso is not None:
        return settings.lasso
    steps, m = WITHIN * conditions.clock.length, settings.compactor_momentum
    way = (steps - m * (1 - m**steps) / (1 - m)) / (1 - m)  # the sum of (1 - m^k) / (1 - m) for k = 1 ... steps
    return max(PAPERS_LASSO, float(1 / (conditions.optimizer.rate(conditions.clock.batch_size) * way)))


def masking_steps(settings: Pruning, clock: Clock) -> tuple[int, int, int]:
    """The first and the last step at which rows may be masked, and the interval in steps."""
    first, last, every = map(clock.steps, (settings.mask_from, settings.mask_until, settings.mask_every))
    return max(1, first), last, max(1, every)  # before the first step all rows have the same length


def narrowed(settings: Pruning, network: Classifier, before: tuple[Step, ...], conditions: Conditions) -> Finished:
    """The smaller network from a trained one with compactors, and the share of MACs that is left ("macs_kept").

    Raises WorkError if too few rows have gone to zero for the target.
    """
    from cardinet.build.meta import on_meta
    from cardinet.measure.counts import count
    from cardinet.rewrite.narrow import compactors, merge_compactors, without_compactors
    from cardinet.rewrite.prunable import Budget, prunable

    keep, side = settings.keep_macs, conditions.side
    plain, _ = without_compactors(network)
    whole = count(on_meta(plain), side, network.spec.in_channels).macs
    small, kept = merge_compactors(network)
    _check_merged(network, small, side)
    share = count(on_meta(small), side, network.spec.in_channels).macs / whole
    if share > keep:
        masked = {name: int(compactor.mask.sum()) for name, compactor in compactors(network).items()}
        budget = Budget(plain, side, prunable(plain))
        why = "too few rows were masked in time. Mask until later, or more of them at once (mask_until, mask_rows)."
        if budget.macs(masked) <= keep * budget.whole:
            why = "too few rows of the compactors have gone to zero. Train for longer, or with more of the penalty, as "
            why += f"in --set lasso={3 * lasso_of(settings, conditions):.1g}."
        raise WorkError(f"{100 * share:.1f} % of the MACs are left where {100 * keep:g} % were asked: {why}")
    return Finished(cast("Classifier", small), (*before, *narrowing(plain, kept)), {"macs_kept": share})


def _check_merged(network: Classifier, small: nn.Module, side: int) -> None:
    """Raise WorkError if the smaller network does not compute the function of the network with compactors."""
    import torch

    from cardinet.rewrite.proof import difference

    pixels = torch.randn(PICTURES, network.spec.in_channels, side, side, generator=torch.Generator().manual_seed(0))
    lost = difference(network, small, pixels, torch.float64)
    if not lost <= LOST:  # also when it is not a number
        raise WorkError(
            f"The smaller network is not what was trained: its logits differ by {lost:.1e}. Please report this."
        )
