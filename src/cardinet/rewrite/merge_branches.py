"""Parallel branches of linear layers merged into one convolution (Ding et al. 2021, Section 3.3; arXiv 2101.03697).

A convolution with BN equals one convolution. So do BN alone and the identity. Convolutions of the same stride can be
added; a smaller kernel is put in the middle of a larger one. This works for RepVGG's blocks and for any other block
that sums such branches.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.blocks.carry import Scaled
from cardinet.blocks.convolution import convolution
from cardinet.blocks.deeply_fused import FusedBlock
from cardinet.blocks.fractalnet import FractalBlock
from cardinet.blocks.merge import Add, Drawn, Weighted
from cardinet.blocks.repvgg import DeploymentBlock, TrainingBlock
from cardinet.blocks.residual_unit import ResidualUnit
from cardinet.blocks.shortcut import Absent
from cardinet.build.meta import on_meta
from cardinet.networks.families.repvgg import RepVGG
from cardinet.rewrite.fold import affine
from cardinet.rewrite.module_edits import names_by_reason, replace
from cardinet.rewrite.packing import block_diagonal


@dataclass(frozen=True)
class Branch:
    """Layers in a row, times a factor: at most one convolution, BN, identities."""

    layers: Sequence[nn.Module]
    factor: float = 1.0


class NotLinear(Exception):
    """The reason why a block cannot become one convolution."""


def merge_branches(network: nn.Module) -> nn.Module:
    """A network with the same function in eval mode; every block of parallel linear branches is one convolution.

    RepVGG's training blocks become deployment blocks, also in the description. Blocks of deeply-fused nets and residual
    units whose branches have a single convolution keep this convolution and lose the other branch. The sums are
    computed in float64. `unmerged` names the blocks that do not change. Raises RequestError, with the reasons, if no
    block can be merged.
    """
    twin, merged, reasons = _merged(network)
    if not merged:
        raise RequestError(
            *(f"{names} cannot be merged: {why}." for names, why in names_by_reason(reasons)),
            "No block of this network has only parallel linear branches, as in RepVGG; omit --merge-branches.",
        )
    if isinstance(twin.spec, RepVGG):
        twin.spec = twin.spec.but(form="deployment")
    return twin


def unmerged(network: nn.Module) -> dict[str, str]:
    """The blocks that `merge_branches` does not change, each with the reason."""
    return _merged(on_meta(network))[2]


def _merged(network: nn.Module) -> tuple[nn.Module, int, dict[str, str]]:
    """A merged copy, the number of merged blocks, and the reason for every other block."""
    twin = copy.deepcopy(network)
    reasons: dict[str, str] = {}
    merged = 0
    for name, block in list(twin.named_modules()):
        if not isinstance(block, TrainingBlock | FusedBlock | ResidualUnit | FractalBlock):
            continue
        try:
            branches = _branches(block)
            conv = one_convolution(branches)
        except NotLinear as why:
            reasons[name] = str(why)
            continue
        _become(twin, name, block, conv)
        merged += 1
    return twin, merged, reasons


def one_convolution(branches: Sequence[Branch]) -> nn.Conv2d:
    """The convolution with bias that equals the sum of branches. At least one branch must have a convolution.

    Raises NotLinear if a branch has other layers than a convolution and BN, or if the strides or paddings do not fit.
    """
    if len(branches) < 2:
        raise NotLinear("it has no second branch")
    convs = [layer for branch in branches for layer in branch.layers if isinstance(layer, nn.Conv2d)]
    if not convs:
        raise NotLinear("none of its branches has a convolution")
    for conv in convs:
        middle = tuple(side // 2 for side in conv.kernel_size if side % 2)
        if conv.padding != middle:
            raise NotLinear("the padding of a convolution is not half of its kernel")
    w_in = convs[0].in_channels
    strides = {_stride(branch) for branch in branches}
    if len(strides) > 1:
        raise NotLinear(f"its branches have the strides {sorted(strides)}")
    groups = gcd(*(conv.groups for conv in convs))
    side = max(max(conv.kernel_size) for conv in convs)
    like = convs[0].weight
    kernels = [_kernel(branch, w_in, groups, like.device) for branch in branches]  # raises before any sum is made
    w_out = convs[0].out_channels
    weight = torch.zeros(w_out, w_in // groups, side, side, dtype=torch.float64, device=like.device)
    bias = torch.zeros(w_out, dtype=torch.float64, device=like.device)
    for branch, (kernel, shift) in zip(branches, kernels, strict=True):
        border = (side - kernel.shape[-1]) // 2
        inner = slice(border, side - border)
        weight[:, :, inner, inner] += branch.factor * kernel
        bias += branch.factor * shift
    with torch.device("meta"):
        conv = convolution(w_in, w_out, side, strides.pop(), padding=side // 2, groups=groups)
    layout = torch.contiguous_format if like.is_contiguous() else torch.channels_last
    conv.weight = nn.Parameter(weight.to(like.dtype).contiguous(memory_format=layout))
    conv.bias = nn.Parameter(bias.to(like.dtype))
    return conv


def _stride(branch: Branch) -> int:
    return next((layer.stride[0] for layer in branch.layers if isinstance(layer, nn.Conv2d)), 1)


def _kernel(branch: Branch, channels: int, groups: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The weight (w_out, w_in / groups, k, k) and bias of a branch in float64; k is 1 without a convolution."""
    eye = torch.eye(channels // groups, dtype=torch.float64, device=device)
    weight = eye.repeat(groups, 1)[:, :, None, None]
    bias = torch.zeros(channels, dtype=torch.float64, device=device)
    convolved = False
    for layer in branch.layers:
        if isinstance(layer, nn.Conv2d) and not convolved:
            weight = block_diagonal(layer.weight.detach().double(), layer.groups, groups)
            bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().double()
            convolved = True
        elif isinstance(layer, nn.BatchNorm2d):
            scale, shift = affine(layer)
            weight, bias = weight * scale[:, None, None, None], bias * scale + shift
        elif not isinstance(layer, nn.Identity):
            raise NotLinear(f"a branch has {_name(layer)}")
    return weight, bias


_LAYER_NAMES = ((nn.ReLU, "a ReLU"), (nn.Conv2d, "a second convolution"), (nn.AvgPool2d, "an average pool"))


def _name(layer: nn.Module) -> str:
    return next((name for kind, name in _LAYER_NAMES if isinstance(layer, kind)), type(layer).__name__)


def _branches(block: nn.Module) -> list[Branch]:
    """The branches that a block sums. Raises NotLinear if the block does anything else."""
    if isinstance(block, TrainingBlock):
        found = [Branch([block.conv3x3, block.bn3x3]), Branch([block.conv1x1, block.bn1x1])]
        return found if block.bn is None else [*found, Branch([block.bn])]
    if isinstance(block, FusedBlock):
        return _branches_of_block(block)
    if isinstance(block, ResidualUnit):
        return _branches_of_unit(block)
    raise NotLinear("each of its columns ends in a ReLU")


def _branches_of_block(block: FusedBlock) -> list[Branch]:
    skip, branch = _factors(block.merge) if "shallow" in block.lines else (1.0, 1.0)  # else no merge
    lines = {name: getattr(block, name) for name in block.lines}
    return [
        Branch(list(line) if isinstance(line, nn.Sequential) else [line], skip if name == "shallow" else branch)
        for name, line in lines.items()
    ]


def _branches_of_unit(unit: ResidualUnit) -> list[Branch]:
    steps = getattr(unit, "steps", None)
    if isinstance(unit.downsample, Absent):
        raise NotLinear("it has no second branch")
    if steps is None or len(steps) > 1 or "relu" in steps[0] or (unit.pre_names and not unit.shares_pre):
        raise NotLinear("its branch has a ReLU")
    if unit.gate is not None:
        raise NotLinear("its branch ends in a gate")
    skip, branch = _factors(unit.merge)
    if isinstance(unit.carry, Scaled):
        skip, branch = skip * unit.carry.skip, branch * unit.carry.branch
    elif unit.carry is not None:
        raise NotLinear("a gate weighs its shortcut")
    way = unit.downsample
    shortcut_layers = list(way) if isinstance(way, nn.Sequential) else [way]
    return [Branch([getattr(unit, name) for name in steps[0]], branch), Branch(shortcut_layers, skip)]


def _factors(merge: nn.Module) -> tuple[float, float]:
    """The factors of shortcut and branch in a merge."""
    if isinstance(merge, Drawn):
        raise NotLinear("it drops at random in training; strip it first")
    return (merge.skip, merge.branch) if isinstance(merge, Weighted) else (1.0, 1.0)


def _become(network: nn.Module, name: str, block: Any, conv: nn.Conv2d) -> None:
    """Replace the branches of a block by one convolution."""
    if isinstance(block, TrainingBlock):
        with torch.device("meta"):
            deployed = DeploymentBlock(conv.in_channels, conv.out_channels, conv.stride[0], conv.groups, None)
        deployed.conv, deployed.gate = conv, block.gate
        replace(network, name, deployed)
    elif isinstance(block, FusedBlock):
        block.keep(next(line for line in block.lines if line != "shallow"))
        line = block.get_submodule(block.lines[0])
        assert isinstance(line, nn.Sequential)
        line.conv1, line.bn1 = conv, nn.Identity()
    else:
        for step in block.steps[0]:
            setattr(block, step, conv if step.startswith("conv") else nn.Identity())
        block.downsample, block.carry, block.merge = Absent(), None, Add()
    network.get_submodule(name).train(block.training)
