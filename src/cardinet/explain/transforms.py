"""The aggregated transforms of a unit (Xie et al. 2016, Section 3.3, arXiv 1611.05431), each of which can be left out.

Where the transforms of a unit still stand apart depends on its kind:

- an aggregated transform (forms a, b, c, also with SE gates, and selective kernels): before the last convolution, whose
  input channels are the outputs of the C transforms in order. To leave one out is to leave out its term in form a.
- split attention: after the attention has weighted the splits. A transform is a split of a cardinal group.
- copies of a transform (Multi-ResNet): after each copy.
- a block of RepVGG with grouped convolutions: before its gate and activation. There a transform is a group of the
  output channels, and no later sum joins it with the others.

The user's network stays as it is: all this is in a replica, which shares its parameters.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cardinet.blocks.branches import ConcatenatedUnit, SummedUnit
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.copies import CopiesUnit
from cardinet.blocks.repvgg import Block
from cardinet.blocks.residual_unit import GroupedUnit
from cardinet.blocks.selective_kernel import SelectiveKernel
from cardinet.blocks.split_attention import SplitAttention
from cardinet.explain.switches import replica
from cardinet.networks.residual import Residual

Listener = Callable[[Tensor], None]


@dataclass(eq=False)
class Transforms:
    """The transforms of one unit: `left_out` is the number of the one whose output is zero, if any.

    `listener` gets their outputs in each pass, before anything is left out: (N, count * d, H, W), those of transform i
    in channels i * d to (i + 1) * d. `readers` are the convolutions that read them, one for all or one each; without
    readers the outputs are the terms themselves. `repeats`: the outputs of that many transforms, one `count / repeats`
    after the other, meet in the same input channels of the reader.
    """

    unit: str
    count: int
    readers: tuple[nn.Conv2d, ...] = ()
    repeats: int = 1
    left_out: int | None = None
    listener: Listener | None = None
    _heard: list[Tensor] = field(default_factory=list)

    def all(self, outputs: Tensor, heard: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
        """The outputs of all transforms, without the one that is left out. The listener gets `heard(outputs)`."""
        if self.listener is not None:
            self.listener(heard(outputs))
        if self.left_out is None:
            return outputs
        kept, width = outputs.clone(), outputs.shape[1] // self.count
        kept[:, self.left_out * width : (self.left_out + 1) * width] = 0
        return kept

    def one(self, index: int, output: Tensor) -> Tensor:
        """The output of one transform, or zeros if it is left out; called for each in order."""
        if self.listener is not None:
            self._heard.append(output)
            if len(self._heard) == self.count:
                self.listener(torch.cat(self._heard, 1))
                self._heard.clear()
        return torch.zeros_like(output) if index == self.left_out else output


class _BeforeLayer(nn.Module):
    """The layer that reads all transforms, or one of them."""

    def __init__(self, transforms: Transforms, layer: nn.Module, index: int | None = None) -> None:
        super().__init__()
        self.transforms, self.layer, self.index = transforms, layer, index

    def forward(self, x: Tensor) -> Tensor:
        x = self.transforms.all(x) if self.index is None else self.transforms.one(self.index, x)
        y: Tensor = self.layer(x)
        return y


class _AfterCopy(nn.Module):
    """One of several copies of a transform."""

    def __init__(self, transforms: Transforms, copy: nn.Module, index: int) -> None:
        super().__init__()
        self.transforms, self.copy, self.index = transforms, copy, index

    def forward(self, x: Tensor) -> Tensor:
        return self.transforms.one(self.index, self.copy(x))


class _AfterAttention(nn.Module):
    """Split attention whose weighted splits can be left out."""

    def __init__(self, transforms: Transforms, attention: SplitAttention) -> None:
        super().__init__()
        self.transforms, self.attention = transforms, attention

    def forward(self, x: Tensor) -> Tensor:
        weighted = self.attention.weighted(x)
        pool = self.attention.pool_after
        kept = self.transforms.all(weighted.flatten(1, 2), (lambda y: y) if pool is None else pool)
        return self.attention.merged(kept.view_as(weighted))


def units_with_transforms(network: Classifier) -> dict[str, int]:
    """The units with more than one transform by name, with the number of their transforms, in the network's order."""
    found = {name: _count(module, network) for name, module in network.named_modules()}
    return {name: count for name, count in found.items() if count > 1}


def with_transforms(network: Classifier) -> tuple[Classifier, list[Transforms]]:
    """A replica in which transforms can be left out, and the transforms of each unit that has more than one."""
    made = replica(network)
    found = []
    for name, count in units_with_transforms(network).items():
        transforms = Transforms(name, count)
        _insert(made.get_submodule(name), transforms)
        found.append(transforms)
    return made, found


def _count(unit: nn.Module, network: Classifier) -> int:
    """The number of transforms of a module; 1 if it is no unit whose transforms stand apart."""
    if isinstance(unit, CopiesUnit):
        return len(unit.copies)
    if isinstance(unit, SummedUnit | ConcatenatedUnit):
        return len(unit.branches)
    if isinstance(unit, Block):
        return max(conv.groups for conv in _convolutions(unit))
    if isinstance(unit, GroupedUnit) and (found := _spatial(unit)) is not None:
        spatial, reader = found
        if isinstance(spatial, SplitAttention):
            return spatial.cardinality * spatial.radix
        groups = max(conv.groups for conv in _convolutions(spatial))
        return _unpacked(groups, reader.in_channels, network)
    return 1


def _unpacked(groups: int, channels: int, network: Classifier) -> int:
    """The number of transforms behind a convolution with these groups, which a rewrite may have joined (`pack`)."""
    spec = network.spec
    described = spec.transform.spatial.cardinality if isinstance(spec, Residual) else groups
    joined = groups < described and described % groups == 0 and channels % described == 0
    return int(described) if joined else groups


def _convolutions(module: nn.Module) -> Iterator[nn.Conv2d]:
    """The convolutions that a module's transforms consist of: all of a block, those of the paths of a kernel choice."""
    inner = module.paths if isinstance(module, SelectiveKernel) else module
    if isinstance(module, Block):
        yield from (child for child in module.children() if isinstance(child, nn.Conv2d))
    else:
        yield from (child for child in inner.modules() if isinstance(child, nn.Conv2d))


def _spatial(unit: GroupedUnit) -> tuple[nn.Module, nn.Conv2d] | None:
    """The spatial convolution of a unit in form c and the convolution that reads it; None if it is the last one."""
    layers = [getattr(unit, f"conv{i}") for i in range(1, len(unit.steps) + 1)]
    for layer, reader in itertools.pairwise(layers):
        grouped = isinstance(layer, nn.Conv2d) and layer.groups > 1
        if (grouped or isinstance(layer, SelectiveKernel | SplitAttention)) and isinstance(reader, nn.Conv2d):
            return layer, reader
    return None


def _insert(unit: nn.Module, transforms: Transforms) -> None:
    """Put the transforms into a unit of a replica, at the place where they stand apart."""
    if isinstance(unit, CopiesUnit):
        unit.copies = nn.ModuleList(_AfterCopy(transforms, copy, i) for i, copy in enumerate(unit.copies))
    elif isinstance(unit, SummedUnit):
        transforms.readers = tuple(_conv(branch.conv3) for branch in unit.branches)
        for i, branch in enumerate(unit.branches):
            branch.conv3 = _BeforeLayer(transforms, _conv(branch.conv3), i)
    elif isinstance(unit, Block):
        name = "relu" if unit.gate is None else "gate"
        setattr(unit, name, _BeforeLayer(transforms, unit.get_submodule(name)))
    else:
        name, reader = _reader(unit)
        transforms.readers = (reader,)
        attention = next((child for child in unit.children() if isinstance(child, SplitAttention)), None)
        if attention is None:
            setattr(unit, name, _BeforeLayer(transforms, reader))
            return
        transforms.repeats = attention.radix
        place = next(name for name, child in unit.named_children() if child is attention)
        setattr(unit, place, _AfterAttention(transforms, attention))


def _reader(unit: nn.Module) -> tuple[str, nn.Conv2d]:
    """The convolution that reads all transforms of a unit in form b or c, with its name."""
    reader = unit.conv3 if isinstance(unit, ConcatenatedUnit) else None
    if isinstance(unit, GroupedUnit) and (found := _spatial(unit)) is not None:
        reader = found[1]
    assert isinstance(reader, nn.Conv2d)
    return next(name for name, child in unit.named_children() if child is reader), reader


def _conv(module: object) -> nn.Conv2d:
    assert isinstance(module, nn.Conv2d)
    return module
