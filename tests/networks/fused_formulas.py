"""Deeply-fused and merge-and-run networks from their formulas alone, to test the library's by.

No module of torch or Cardinet runs here: convolution is a sum over unfolded patches, BN its formula, and every rule
of a block stands as the paper and the authors' code write it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from cardinet.blocks.deeply_fused import DeeplyFusedNet
from cardinet.build.builder import build
from cardinet.networks.families.deeply_fused import DeeplyFused, fuse
from cardinet.networks.families.merge_and_run import MergeAndRun
from cardinet.networks.registry import find


class Naive:
    """The networks by their formulas, from weights by name."""

    def __init__(self, network: nn.Module) -> None:
        self.training = network.training
        self.weights = {key: value.detach().clone().requires_grad_() for key, value in network.named_parameters()}
        self.state = dict(network.named_buffers()) | self.weights

    def has(self, at: str) -> bool:
        return any(key.startswith(f"{at}.") for key in self.state)

    def convolve(self, x: Tensor, at: str, stride: int) -> Tensor:
        weight = self.state[f"{at}.weight"]
        w_out, _, kernel, _ = weight.shape
        patches = unfold(x, kernel, padding=kernel // 2, stride=stride)
        y = torch.einsum("nkp,ok->nop", patches, weight.flatten(1))
        return y.reshape(len(x), w_out, math.ceil(x.shape[2] / stride), math.ceil(x.shape[3] / stride))

    def normalise(self, x: Tensor, at: str) -> Tensor:
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        if not self.training:
            mean, variance = self.state[f"{at}.running_mean"], self.state[f"{at}.running_var"]
        scale = self.state[f"{at}.weight"] / (variance + 2e-5) ** 0.5
        shift = self.state[f"{at}.bias"] - mean * scale
        return x * scale[:, None, None] + shift[:, None, None]

    def unit(self, x: Tensor, at: str, i: int, stride: int = 1) -> Tensor:
        return self.normalise(self.convolve(x, f"{at}.conv{i}", stride), f"{at}.bn{i}")

    def line(self, x: Tensor, at: str, stride: int) -> Tensor:
        """The projection where there is one, else the identity."""
        return self.unit(x, at, 1, stride) if self.has(at) else x

    def chain(self, x: Tensor, at: str, strides: list[int]) -> Tensor:
        for i, stride in enumerate(strides, 1):
            x = self.unit(positive(x) if i > 1 else x, at, i, stride)
        assert not self.has(f"{at}.conv{len(strides) + 1}")
        return x

    def two(self, x: Tensor, at: str, stride: int) -> Tensor:
        return self.chain(x, at, [stride, 1])

    def bottleneck(self, x: Tensor, at: str, stride: int) -> Tensor:
        return self.chain(x, at, [1, stride, 1])

    def cifar_stem(self, x: Tensor) -> Tensor:
        return positive(self.normalise(self.convolve(x, "conv1", 1), "bn1"))

    def imagenet_stem(self, x: Tensor) -> Tensor:
        x = self.convolve(x, "conv1", 2)
        rows = math.ceil(x.shape[2] / 2)
        edge = x.new_full((*x.shape[:2], x.shape[2] + 2, x.shape[3] + 2), -math.inf)
        edge[:, :, 1:-1, 1:-1] = x
        windows = [
            edge[:, :, u : u + 2 * rows : 2, v : v + 2 * rows : 2][:, :, :rows, :rows]
            for u, v in itertools.product(range(3), repeat=2)
        ]
        return torch.stack(windows).amax(0)

    def blocks(self, depths: tuple[int, ...]) -> list[tuple[str, int, bool]]:
        """Name, stride and place at a change of the shape (not counting the first of the network) of all blocks."""
        return [
            (f"layer{i + 1}.{j}", 2 if i > 0 and j == 0 else 1, i > 0 and j == 0)
            for i, depth in enumerate(depths)
            for j in range(depth)
        ]

    def classify(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) @ self.state["fc.weight"].T + self.state["fc.bias"]


def positive(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.zeros_like(x))


def residual(net: Naive, x: Tensor, spec: DeeplyFused) -> Tensor:
    x = net.cifar_stem(x)
    for at, stride, _ in net.blocks(spec.depths):
        x = positive(net.line(x, f"{at}.shallow", stride) + net.two(x, f"{at}.deep1", stride))
    return net.classify(x)


def inception_like(net: Naive, x: Tensor, spec: DeeplyFused) -> Tensor:
    x = net.cifar_stem(x)
    for at, stride, _ in net.blocks(spec.depths):
        both = net.two(x, f"{at}.deep1", stride) + net.two(x, f"{at}.deep2", stride)
        x = positive(net.line(x, f"{at}.shallow", stride) + both)
    return net.classify(x)


def side(net: Naive, x: Tensor, spec: DeeplyFused) -> Tensor:
    x = net.cifar_stem(x)
    for at, stride, _ in net.blocks(spec.depths):
        x = positive(net.two(x, f"{at}.deep1", stride) + net.two(x, f"{at}.deep2", stride))
    return net.classify(x)


def fused(net: Naive, x: Tensor, spec: DeeplyFused) -> Tensor:
    x = net.cifar_stem(x)
    for at, stride, changes in net.blocks(spec.depths):
        deep = net.chain(x, f"{at}.deep1", [stride, *[1] * (len(spec.lines.kernels) - 1)])
        convolved = changes or at == "layer1.0"
        x = positive(deep + (net.unit(x, f"{at}.shallow", 1, stride) if convolved else x))
    return net.classify(x)


def plain(net: Naive, x: Tensor, spec: DeeplyFused) -> Tensor:
    x = net.cifar_stem(x)
    for at, stride, _ in net.blocks(spec.depths):
        x = positive(net.unit(x, f"{at}.deep1", 1, stride))
    return net.classify(x)


def residual_imagenet(net: Naive, x: Tensor, spec: DeeplyFused) -> Tensor:
    x = net.imagenet_stem(x)
    for at, stride, _ in net.blocks(spec.depths):
        branch = net.bottleneck(x, f"{at}.deep1", stride)
        x = positive(branch if at.endswith(".0") else x + branch)
    return net.classify(x)


def cross(net: Naive, x: Tensor, spec: MergeAndRun) -> Tensor:
    x1 = x2 = net.cifar_stem(x)
    blocks = net.blocks(spec.depths)
    for at, stride, _ in blocks:
        m = 0.5 * (net.line(x1, f"{at}.shallow1", stride) + net.line(x2, f"{at}.shallow2", stride))
        deep1, deep2 = net.two(x1, f"{at}.deep1", stride), net.two(x2, f"{at}.deep2", stride)
        x1, x2 = positive(m + deep1), positive(m + deep2)
    return net.classify(positive(m + deep1 + deep2))


def cross_imagenet(net: Naive, x: Tensor, spec: MergeAndRun) -> Tensor:
    x1 = x2 = net.imagenet_stem(x)
    for at, stride, _ in net.blocks(spec.depths):
        deep1, deep2 = net.bottleneck(x1, f"{at}.deep1", stride), net.bottleneck(x2, f"{at}.deep2", stride)
        m = 0 if at.endswith(".0") else 0.5 * (x1 + x2)
        x1, x2 = positive(m + deep1), positive(m + deep2)
    return net.classify(torch.cat([x1, x2], 1))


def along(net: Naive, x: Tensor, spec: DeeplyFused) -> Tensor:
    """The network that has one line of every block alone."""
    x = net.cifar_stem(x)
    for (at, stride, _), line in zip(net.blocks(spec.depths), spec.path, strict=True):
        length = len(spec.lines.kernels) if line == "deep1" else 1
        here = f"{at}.{line}"
        x = positive(net.chain(x, here, [stride, *[1] * (length - 1)]) if net.has(here) else x)
    return net.classify(x)


NARROW: dict[str, Any] = {"widths": (4, 6, 8), "num_classes": 5, "in_channels": 2}
SMALL: dict[str, Any] = NARROW | {"depths": (2, 1, 2)}
LARGE: dict[str, Any] = {"depths": (1, 2, 2, 1), "widths": (8, 16, 24, 32), "num_classes": 5}
NETS: dict[str, tuple[Any, Callable[[Naive, Tensor, Any], Tensor], int]] = {
    "residual": (find("fusenet_resnet110").spec.but(**SMALL), residual, 13),
    "inception-like": (find("dfn_il1").spec.but(**SMALL), inception_like, 12),
    "side": (find("dfn_il1_side").spec.but(**SMALL), side, 12),
    "plain": (find("fusenet_plain26").spec.but(**SMALL), plain, 12),
    "fuse3": (fuse(11, 3).but(**NARROW), fused, 12),
    "fuse6": (fuse(14, 6).but(**NARROW), fused, 13),
    "residual, ImageNet": (find("resnet98_dfn_baseline").spec.but(**LARGE), residual_imagenet, 45),
    "merge-and-run": (find("dfn_mr1").spec.but(**SMALL), cross, 13),
    "merge-and-run, 3x3 projections": (find("dfn_mr3").spec.but(**SMALL, shallow="3x3"), cross, 12),
    "merge-and-run, ImageNet": (find("dfn_mr_imagenet").spec.but(**LARGE), cross_imagenet, 45),
}


def ready(spec: Any, *, training: bool = False) -> DeeplyFusedNet:
    """A network in float64 with random BN parameters and statistics."""
    torch.manual_seed(0)
    network = build(spec).double().train(training)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.dim() == 1:
                tensor.normal_(mean=0.3)
    return cast(DeeplyFusedNet, network)


def pictures(spec: Any, size: int) -> Tensor:
    return torch.randn(3, spec.in_channels, size, size, dtype=torch.float64)
