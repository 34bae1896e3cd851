"""Residual networks written from the papers' formulas, for comparison in float64.

Convolution is one sum over unfolded windows, BN its formula; no module of torch or Cardinet runs here. The units are
those of He et al. 2016, Figure 4 (arXiv 1603.05027), each written out, and the tensors are taken by our names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.build.builder import build
from cardinet.networks.parts.shortcut import Shortcut
from cardinet.networks.residual import Residual

Branch = Callable[[], Tensor]
Join = Callable[["Formulas", str, Tensor | None, Branch], Tensor]
"""The sum in a unit, from the formulas, the unit's name, its shortcut or None, and its branch uncalled."""


def positive(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.zeros_like(x))


def plain_sum(own: Formulas, at: str, skip: Tensor | None, branch: Branch) -> Tensor:
    return branch() if skip is None else skip + branch()


class Formulas:
    """Convolution and BN from the tensors of a network by name, in eval mode or in training."""

    def __init__(self, state: dict[str, Tensor], training: bool) -> None:
        self.state, self.training = state, training

    def conv(self, x: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        """y[n, g o, i, j] = sum over c, u, v of w[g o, c, u, v] x[n, g c, s i + u - p, s j + v - p] (+ bias[g o])."""
        weight = self.state[f"{name}.weight"]
        w_out, per_group, kernel, _ = weight.shape
        n, channels, height, width = x.shape
        assert channels == groups * per_group
        windows = F.unfold(x, kernel, padding=kernel // 2, stride=stride).view(n, groups, per_group * kernel**2, -1)
        filters = weight.reshape(groups, w_out // groups, per_group * kernel**2)
        y = torch.einsum("ngkp,gok->ngop", windows, filters).reshape(
            n, w_out, -(-height // stride), -(-width // stride)
        )
        bias = self.state.get(f"{name}.bias")
        return y if bias is None else y + bias[:, None, None]

    def norm(self, x: Tensor, name: str) -> Tensor:
        mean, variance = self.state.get(f"{name}.running_mean"), self.state.get(f"{name}.running_var")
        if self.training:
            mean = x.mean(dim=(0, 2, 3))
            variance = (x**2).mean(dim=(0, 2, 3)) - mean**2
        assert mean is not None
        assert variance is not None
        scale = self.state[f"{name}.weight"] / torch.sqrt(variance + 1e-5)
        return x * scale[:, None, None] + (self.state[f"{name}.bias"] - mean * scale)[:, None, None]

    def project(self, x: Tensor, name: str, stride: int) -> Tensor:
        """A 1x1 convolution, with BN if there is one."""
        y = self.conv(x, f"{name}.0", stride)
        return self.norm(y, f"{name}.1") if f"{name}.1.weight" in self.state else y


def zero_pad(x: Tensor, w_out: int, stride: int, *, pad: str, sample: str) -> Tensor:
    """Shortcut A: every stride-th pixel, or means of stride x stride; new channels at the end or half on both sides."""
    if sample == "subsample":
        small = x[:, :, ::stride, ::stride]
    else:  # where a window hangs over the edge, the mean of what is inside
        rows = [x[:, :, i : i + stride] for i in range(0, x.shape[2], stride)]
        small = torch.stack(
            [
                torch.stack([r[..., j : j + stride].mean((2, 3)) for j in range(0, x.shape[3], stride)], -1)
                for r in rows
            ],
            dim=2,
        )
    before = 0 if pad == "end" else (w_out - x.shape[1]) // 2
    y = small.new_zeros(len(x), w_out, *small.shape[2:])
    y[:, before : before + x.shape[1]] = small
    return y


@dataclass
class Network:
    """The forward pass of a residual network whose units have the order `letter` of Figure 4.

    (a) and (b) activate after the sum, (c) before it, (d) and (e) before the first convolution. `boundary` is that of
    `Order`; of the description only sizes and the shortcut are read.
    """

    spec: Residual
    letter: str = "a"
    boundary: str = "he"
    copies: int = 1
    join: Join = plain_sum

    def logits(self, own: Formulas, x: Tensor) -> Tensor:
        x = own.conv(x, "conv1")
        if self.letter in "abc" or self.boundary == "fb":
            x = positive(own.norm(x, "bn1"))
        x = self.stages(own, x)
        if self.letter in "de":
            x = self.before(own, x, "closing_bn")
        return x.mean(dim=(2, 3)) @ own.state["fc.weight"].T + own.state["fc.bias"]

    def stages(self, own: Formulas, x: Tensor) -> Tensor:
        for stage, depth in enumerate(self.spec.depths, 1):
            for i in range(depth):
                x = self.unit(own, x, f"layer{stage}.{i}", 2 if stage > 1 and i == 0 else 1)
        return x

    def unit(self, own: Formulas, x: Tensor, at: str, stride: int, *, activate: bool = True) -> Tensor:
        """One unit; without `activate` the words after the sum are left away."""
        first = at.startswith("layer1") and at.endswith(".0")
        width = self.spec.widths[int(at[len("layer")]) - 1] * self.spec.transform.expansion
        changes = stride > 1 or x.shape[1] != width
        begins = self.letter in "de" and not (first and self.boundary == "fb")
        shared = begins and (changes or (first and self.boundary == "he"))
        if shared:
            x = self.before(own, x, f"{at}.bn1")
        names = [at] if self.copies == 1 else [f"{at}.copies.{k}" for k in range(self.copies)]

        def branch() -> Tensor:
            parts = []
            for name in names:
                h = self.before(own, x, f"{name}.bn1") if begins and not shared else x
                has_first_norm = self.letter == "e" and begins and not (shared and self.copies > 1)
                parts.append(self.transform(own, h, name, stride, norms=int(has_first_norm)))
            return torch.stack(parts).sum(0)

        y = self.join(own, at, self.shortcut(own, x, at, width, stride, changes), branch)
        if self.letter in "cde" or not activate:
            return y
        last = len(self.spec.transform.kernels) if self.copies == 1 else 1
        return positive(y if self.letter == "a" else own.norm(y, f"{at}.bn{last}"))

    def before(self, own: Formulas, x: Tensor, name: str) -> Tensor:
        """The activation before the first convolution: (d) ReLU, (e) BN and ReLU."""
        return positive(own.norm(x, name) if self.letter == "e" else x)

    def transform(self, own: Formulas, x: Tensor, at: str, stride: int, norms: int) -> Tensor:
        """The convolutions from the activated input on, `norms` of whose BN layers stand before them."""
        form = self.spec.transform
        count = len(form.kernels)
        for i in range(1, count + 1):
            groups = form.spatial.cardinality if i - 1 == form.at else 1
            x = own.conv(x, f"{at}.conv{i}", stride if i - 1 == form.stride_at else 1, groups)
            if i < count or self.letter in "acd":
                x = own.norm(x, f"{at}.bn{i + norms}")
            if i < count or self.letter == "c":
                x = positive(x)
        return x

    def shortcut(self, own: Formulas, x: Tensor, at: str, width: int, stride: int, changes: bool) -> Tensor | None:
        kind = self.spec.shortcut
        assert isinstance(kind, Shortcut)
        if kind.kind == "none" or (kind.kind == "identity" and changes):
            return None
        if kind.kind == "C" or (kind.kind == "B" and changes):
            return own.project(x, f"{at}.downsample", stride)
        return zero_pad(x, width, stride, pad=kind.pad, sample=kind.sample) if changes else x


def randomised(network: nn.Module) -> nn.Module:
    """With affine parameters, biases and statistics that are not the initial ones."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.dim() == 1:
                tensor.normal_(mean=0.3)
    return network


def assert_equal(
    formulas: Network, size: int, training: bool, *, draws: int | None = None
) -> tuple[nn.Module, Formulas]:
    """Logits and the gradient of every parameter to 1e-10; with `draws` both draw after this seed.

    Returns Cardinet's network and the formulas after the backward pass.
    """
    spec = formulas.spec
    torch.manual_seed(0)
    network = randomised(build(spec).double().to(memory_format=torch.contiguous_format)).train(training)
    state = {name: t.clone().requires_grad_(t.is_floating_point()) for name, t in network.state_dict().items()}
    own = Formulas(state, training)
    pixels = torch.randn(3, spec.in_channels, size, size, dtype=torch.float64)
    weights = torch.randn(3, spec.num_classes, dtype=torch.float64)
    torch.manual_seed(draws or 0)
    expected = formulas.logits(own, pixels)
    torch.manual_seed(draws or 0)
    found = network(pixels)
    for logits in (expected, found):
        (logits * weights).sum().backward()

    assert (found - expected).abs().max() <= 1e-10 * expected.abs().max()
    for name, parameter in network.named_parameters():
        gradient = own.state[name].grad
        if gradient is None or parameter.grad is None:
            assert gradient is parameter.grad is None, name
            assert draws is not None, name
            continue
        assert (parameter.grad - gradient).abs().max() <= 1e-10 * max(1.0, float(gradient.abs().max())), name
    return network, own
