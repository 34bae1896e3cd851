"""BN that does the sum and the ReLU after it too, in one operator: training with fewer passes over memory.

`join_norms` rewrites a network in place. It is the same function with the same parameters, buffers and names; its
numbers differ from those of torch's operators by rounding. In eval mode the operators are torch's, to the bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from cardinet.blocks.merge import Add, Branch
from cardinet.blocks.residual_unit import Chain, ResidualUnit
from cardinet.blocks.shortcut import Absent
from cardinet.ops.batch_norm import available, batch_norm, has_kernel


class JoinedNorm(nn.BatchNorm2d):
    """relu( bn(x) + skip ), with `relu` and a skip or without."""

    relu = False

    def forward(self, input: Tensor, skip: Tensor | None = None) -> Tensor:
        if not (self.training and has_kernel(input, self.weight, self.bias, skip)) or _per_channel(input) < 2:
            y = super().forward(input)
            if skip is not None:
                y = y + skip
            return y.relu_() if self.relu else y
        y, mean, variance = batch_norm(input, self.weight, self.bias, self.eps, other=skip, relu=self.relu)
        self._track(mean, variance, _per_channel(input))
        return y

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics, as torch does."""
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        if self.running_mean is None or self.running_var is None:
            return
        share = self.momentum
        if share is None:
            share = 1 / float(self.num_batches_tracked) if self.num_batches_tracked is not None else 0.0
        self.running_mean.mul_(1 - share).add_(mean, alpha=share)
        self.running_var.mul_(1 - share).add_(variance, alpha=share * count / (count - 1))


class NormalisedSum(nn.Module):
    """The merge relu( bn(branch) + shortcut ) or bn(branch) + shortcut, for a branch that leaves its last BN out.

    The BN remains a child of the unit, so that its name stays.
    """

    def __init__(self, norm: JoinedNorm) -> None:
        super().__init__()
        self.norms = (norm,)

    def forward(self, skip: Tensor, branch: Branch) -> Tensor:
        y: Tensor = self.norms[0](branch(), skip)
        return y


def join_norms(network: nn.Module) -> int:
    """Join the BN of a network with what follows it, in place; return their number.

    It is 0 if there are no kernels for the device of the network. BN of another kind stays as it is (such as that over
    several processes), as does all that somebody listens to.
    """
    device = next((parameter.device.type for parameter in network.parameters()), "cpu")
    if not available(device):
        return 0
    found = [module for module in network.modules() if type(module) is nn.BatchNorm2d]
    for norm in found:
        norm.__class__ = JoinedNorm
    for module in list(network.modules()):
        if isinstance(module, Chain):
            _join_chain(module)
        elif isinstance(module, nn.Sequential):
            _join_children(module, [name for name, _ in module.named_children()])
        elif (names := getattr(module, "body_names", None)) is not None:
            _join_children(module, names)
        elif (norms := getattr(module, "RECTIFIED", None)) is not None:
            _join_rectified(module, norms)
    return len(found)


def _join_children(module: nn.Module, names: Sequence[str]) -> None:
    """Join each BN among children that run in turn with the ReLU after it, in whose place an identity stays."""
    for name, after in itertools.pairwise(names):
        norm, relu = module.get_submodule(name), module.get_submodule(after)
        if _can_join(norm) and _is_plain(relu):
            cast(JoinedNorm, norm).relu = True
            setattr(module, after, nn.Identity())


def _join_rectified(module: nn.Module, norms: Iterable[str]) -> None:
    """Join the named BN, each of which its module calls directly before its `relu`, and nothing else before it."""
    children = [module.get_submodule(name) for name in norms]
    if all(_can_join(norm) for norm in children) and _is_plain(module.get_submodule("relu")):
        for norm in children:
            cast(JoinedNorm, norm).relu = True
        module.relu = nn.Identity()


def _join_chain(chain: Chain) -> None:
    """Join the BN of a transform with the ReLU after them, and the last one of a unit with the sum and its ReLU."""
    chain.pre_names = _joined(chain, chain.pre_names)
    steps = getattr(chain, "steps", None)
    if steps is not None:
        chain.steps = [_joined(chain, names) for names in steps]
        if isinstance(chain, ResidualUnit):
            _join_sum(chain)
    chain.after_names = _joined(chain, chain.after_names)


def _joined(chain: Chain, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names without the ReLU that follow a BN, which does their work from now on."""
    kept: list[str] = []
    for name in names:
        last = chain.get_submodule(kept[-1]) if kept else None
        if name == "relu" and _can_join(last) and _is_plain(chain.get_submodule(name)):
            cast(JoinedNorm, last).relu = True
        else:
            kept.append(name)
    return tuple(kept)


def _join_sum(unit: ResidualUnit) -> None:
    """Let the last BN of a unit's branch add the shortcut, where the sum follows it directly."""
    *others, last = unit.steps
    norm = unit.get_submodule(last[-1])
    plain = type(unit.merge) is Add and unit.carry is None and unit.gate is None
    if not plain or isinstance(unit.downsample, Absent) or not _can_join(norm):
        return
    norm = cast(JoinedNorm, norm)
    unit.steps = [*others, last[:-1]]
    unit.merge = NormalisedSum(norm)
    if unit.after_names == ("relu",) and _is_plain(unit.relu):
        norm.relu, unit.after_names = True, ()


def _can_join(module: nn.Module | None) -> bool:
    return isinstance(module, JoinedNorm) and not module.relu and not _is_heard(module)


def _is_plain(module: nn.Module) -> bool:
    return type(module) is nn.ReLU and not _is_heard(module)


def _is_heard(module: nn.Module) -> bool:
    """Whether a module has hooks, which would see another result."""
    return any(
        (
            module._forward_hooks,
            module._forward_pre_hooks,
            module._backward_hooks,
            module._backward_pre_hooks,
        )
    )


def _per_channel(x: Tensor) -> int:
    return x.numel() // x.shape[1]
