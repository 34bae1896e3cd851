"""The weights of a wider residual network, computed from those of a narrower one layer by layer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.blocks.carry import ShortcutGate
from cardinet.blocks.copies import CopiesUnit
from cardinet.blocks.gates import SqueezeExcite
from cardinet.blocks.levels import Level, LevelStage
from cardinet.blocks.shortcut import ZeroPad
from cardinet.networks.residual import Residual
from cardinet.rewrite.replicas import copy_channels, even_copies, group_copies, padded_copies, shared_weight


def reads_or_makes_groups(spec: Residual, grown: Residual) -> bool:
    """Whether a grouped convolution reads or makes the channels of shortcuts, in either network."""
    at_an_end = spec.transform.at in (0, len(spec.transform.kernels) - 1)
    return at_an_end and max(one.cardinality for one in (spec, grown)) > 1


def groups_can_be_copied(width: int, wider: int, groups: int, more: int) -> bool:
    """Whether channels can be copied group by group."""
    return width % groups == wider % more == 0 and wider // more >= width // groups


class WideState:
    """Computes the state of a wider network from a network with the same modules.

    Channels are written as the old channels that they copy, (new channels,).
    """

    def __init__(self, network: Any, wide: Any, generator: torch.Generator) -> None:
        self.network, self.wide = network, wide
        self.generator = generator
        self.spec: Residual = self.network.spec
        self.grown: Residual = self.wide.spec
        self.cardinality = self.spec.cardinality
        self.groups = even_copies(self.cardinality, self.grown.cardinality, generator)
        self.on_streams = reads_or_makes_groups(self.spec, self.grown)
        self.found: dict[str, Tensor] = {}

    def state(self) -> dict[str, Tensor]:
        """The state of the wider network. Raises RequestError for a tensor of a part that cannot be widened."""
        body = self.network.body_names
        children = body[: body.index("layer1")]
        (old, *_), (new, *_) = self.spec.streams, self.grown.streams
        x = stem = self.new_channels(old, new, in_groups=self.on_streams)
        leaves = [n for n, m in self.network.named_modules() if not list(m.children()) and n.split(".")[0] in children]
        self.line(leaves, torch.arange(self.spec.in_channels), stem)
        for stage in range(len(self.spec.depths)):
            x = self.stage(stage, x)
        if isinstance(getattr(self.network, "root", None), Level):
            self.level("root", stem, x)
        self.line([name for name in body if name.startswith("closing")], x, x)
        self.layer("fc", x, torch.arange(self.spec.num_classes))
        if missing := [name for name in self.wide.state_dict() if name not in self.found]:
            raise RequestError(f"{missing[0]} is in a part that cannot be widened.")
        return self.found

    def stage(self, stage: int, x: Tensor) -> Tensor:
        """Fill in the units of a stage and its level. Return the output channels of the stage."""
        at = f"layer{stage + 1}"
        child = self.network.get_submodule(at)
        within = f"{at}.units" if isinstance(child, LevelStage) else at
        out = self.stage_output(stage, f"{within}.0", x)
        start = x
        for index in range(self.spec.depths[stage]):
            self.unit(f"{within}.{index}", x, out)
            x = out
        if isinstance(getattr(child, "level", None), Level):
            self.level(f"{at}.level", start, out)
        return out

    def stage_output(self, stage: int, first: str, x: Tensor) -> Tensor:
        """The output channels of a stage; the shortcut of its first unit may determine them."""
        way = self.network.get_submodule(first).downsample
        if isinstance(way, nn.Identity):
            return x
        if isinstance(way, ZeroPad):
            zeros = self.wide.get_submodule(first).downsample.channels
            return padded_copies(x, self.spec.streams[stage], way.channels, zeros, self.generator)
        return self.new_channels(self.spec.streams[stage + 1], self.grown.streams[stage + 1], in_groups=self.on_streams)

    def unit(self, at: str, x: Tensor, out: Tensor) -> None:
        """Fill in a unit: transform, shortcut, carry and gate."""
        unit = self.network.get_submodule(at)
        spatial = self.spec.transform.at
        chains = [f"{at}.copies.{i}" for i in range(len(unit.copies))] if isinstance(unit, CopiesUnit) else [at]
        if isinstance(unit, CopiesUnit):
            self.line([f"{at}.{name}" for name in unit.pre_names], x, out)
            self.line([f"{at}.{name}" for name in unit.after_names], out, out)
        for name in chains:
            chain = self.network.get_submodule(name)
            after = () if chain is not unit else chain.after_names
            names = [*chain.pre_names, *(word for step in chain.steps for word in step), *after]
            self.line([f"{name}.{word}" for word in names], x, out, in_groups=(spatial, spatial + 1))
        if isinstance(unit.downsample, nn.Sequential):
            self.line([f"{at}.downsample.{i}" for i in range(len(unit.downsample))], x, out)
        if isinstance(unit.carry, ShortcutGate):
            self.line([f"{at}.carry.conv"], out, out)
        if isinstance(unit.gate, SqueezeExcite):
            self.line([f"{at}.gate.fc1", f"{at}.gate.fc2"], out, out)

    def level(self, at: str, x: Tensor, out: Tensor) -> None:
        """Fill in the projection of a level and the BN after its sum."""
        level = self.network.get_submodule(at)
        names = [f"{at}.downsample.{i}" for i in range(len(level.downsample))]
        self.line([*names, *([f"{at}.bn"] if "bn" in level.words else [])], x, out)

    def line(self, names: Sequence[str], x: Tensor, out: Tensor, in_groups: Collection[int] = ()) -> None:
        """Fill in layers one after another, from the channels x; the last convolution makes `out`.

        `in_groups` has the numbers, from 1, of convolutions whose outputs are in groups.
        """
        convs = [name for name in names if isinstance(self.network.get_submodule(name), nn.Conv2d)]
        for name in names:
            module = self.network.get_submodule(name)
            if isinstance(module, nn.Conv2d):
                wider, number = self.wide.get_submodule(name).out_channels, convs.index(name) + 1
                last = name == convs[-1]
                makes = out if last else self.new_channels(module.out_channels, wider, in_groups=number in in_groups)
                self.layer(name, x, makes)
                x = makes
            elif isinstance(module, nn.BatchNorm2d):
                for leaf, tensor in module.state_dict().items():
                    self.found[f"{name}.{leaf}"] = copy_channels(tensor, x) if tensor.dim() else tensor.clone()

    def layer(self, name: str, reads: Tensor, makes: Tensor) -> None:
        """Fill in the weight and bias of a convolution or of the classifier."""
        old, new = self.network.get_submodule(name), self.wide.get_submodule(name)
        groups, more = getattr(old, "groups", 1), getattr(new, "groups", 1)
        self.found[f"{name}.weight"] = shared_weight(old.weight, reads, makes, groups, more, self.generator)
        if old.bias is not None:
            self.found[f"{name}.bias"] = copy_channels(old.bias.detach(), makes)

    def new_channels(self, old: int, new: int, *, in_groups: bool) -> Tensor:
        """New copies of channels that are free to choose; group by group if they are in groups."""
        if in_groups and groups_can_be_copied(old, new, self.cardinality, len(self.groups)):
            return group_copies(old, new, self.groups, self.cardinality, self.generator)
        return even_copies(old, new, self.generator)
