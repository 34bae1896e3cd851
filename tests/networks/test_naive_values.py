"""Values and gradients against an independent implementation from the formulas, in float64.

Convolution is a sum over groups and kernel offsets, BN its formula; no module of torch or Cardinet runs here.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from cardinet.build.builder import build
from cardinet.networks.parts.shortcut import Shortcut
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual

State = dict[str, Tensor]
TINY = Residual(
    depths=(1, 2),
    widths=(16, 32),
    stem=Stem(layout="cifar", width=8),
    transform=BOTTLENECK,
    num_classes=5,
    in_channels=2,
).but(cardinality=3, base_width=16)


def convolve(x: Tensor, weight: Tensor, stride: int, groups: int = 1) -> Tensor:
    """y[n, o, i, j] = sum over c, u, v of w[o, c, u, v] x[n, g d + c, s i + u - p, s j + v - p], o in group g."""
    n, channels, height, width = x.shape
    w_out, per_group, kernel, _ = weight.shape
    assert channels == per_group * groups
    pad = kernel // 2
    padded = x.new_zeros(n, channels, height + 2 * pad, width + 2 * pad)
    padded[:, :, pad : pad + height, pad : pad + width] = x
    rows, columns = math.ceil(height / stride), math.ceil(width / stride)
    parts = []
    for g in range(groups):
        inputs = padded[:, g * per_group : (g + 1) * per_group]
        filters = weight[g * (w_out // groups) : (g + 1) * (w_out // groups)]
        total = x.new_zeros(n, w_out // groups, rows, columns)
        for u in range(kernel):
            for v in range(kernel):
                window = inputs[:, :, u : u + stride * rows : stride, v : v + stride * columns : stride]
                total = total + torch.einsum("nchw,oc->nohw", window[:, :, :rows, :columns], filters[:, :, u, v])
        parts.append(total)
    return torch.cat(parts, 1)


def normalise(x: Tensor, state: State, name: str, training: bool) -> Tensor:
    if training:
        mean = x.mean(dim=(0, 2, 3))
        variance = ((x - mean[:, None, None]) ** 2).mean(dim=(0, 2, 3))
    else:
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    scale = state[f"{name}.weight"] / torch.sqrt(variance + 1e-5)
    return (x - mean[:, None, None]) * scale[:, None, None] + state[f"{name}.bias"][:, None, None]


def positive(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.zeros_like(x))


def zero_pad(x: Tensor, w_out: int, stride: int, pad: str) -> Tensor:
    """Shortcut A: every stride-th pixel; new channels at the end, or half of them on both sides."""
    small = x[:, :, ::stride, ::stride]
    before = 0 if pad == "end" else (w_out - x.shape[1]) // 2
    y = small.new_zeros(len(x), w_out, *small.shape[2:])
    y[:, before : before + x.shape[1]] = small
    return y


def unit(x: Tensor, state: State, at: str, spec: Residual, stride: int, training: bool) -> Tensor:
    """y = max(0, shortcut(x) + T(x)), the last BN before the sum."""
    h = x
    depth = len(spec.transform.kernels)
    for i in range(1, depth + 1):
        own = stride if i - 1 == spec.transform.stride_at else 1
        groups = spec.transform.spatial.cardinality if i - 1 == spec.transform.at else 1
        h = normalise(convolve(h, state[f"{at}.conv{i}.weight"], own, groups), state, f"{at}.bn{i}", training)
        h = positive(h) if i < depth else h
    if f"{at}.downsample.0.weight" in state:
        x = normalise(convolve(x, state[f"{at}.downsample.0.weight"], stride), state, f"{at}.downsample.1", training)
    elif h.shape != x.shape:
        assert isinstance(spec.shortcut, Shortcut)
        x = zero_pad(x, h.shape[1], stride, spec.shortcut.pad)
    return positive(x + h)


def classify(x: Tensor, state: State, spec: Residual, training: bool) -> Tensor:
    x = positive(normalise(convolve(x, state["conv1.weight"], 1), state, "bn1", training))
    for stage, depth in enumerate(spec.depths, 1):
        for i in range(depth):
            stride = 2 if stage > 1 and i == 0 else 1
            x = unit(x, state, f"layer{stage}.{i}", spec, stride, training)
    return x.mean(dim=(2, 3)) @ state["fc.weight"].T + state["fc.bias"]


NETWORKS = {
    "resnet20, A at the end": (find("resnet20_cifar").spec, 12),
    "resnet20, A on both sides": (find("resnet20_cifar").spec.but(pad="both"), 13),
    "tiny ResNeXt, B": (TINY, 9),
    "tiny ResNeXt, C, stride in the first 1x1": (TINY.but(kind="C", stride_at=0), 8),
}


def test_number_of_networks() -> None:
    assert len(NETWORKS) == 4


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_and_gradients(name: str, training: bool) -> None:
    spec, size = NETWORKS[name]
    torch.manual_seed(0)
    network = build(spec).double().train(training)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.dim() == 1:
                tensor.normal_(mean=0.3)
    own = {
        key: tensor.clone().requires_grad_(tensor.is_floating_point()) for key, tensor in network.state_dict().items()
    }
    pixels = torch.randn(3, spec.in_channels, size, size, dtype=torch.float64)
    weights = torch.randn(3, spec.num_classes, dtype=torch.float64)

    expected = classify(pixels, own, spec, training)
    (expected * weights).sum().backward()
    found = network(pixels)
    (found * weights).sum().backward()

    assert (found - expected).abs().max() <= 1e-10 * expected.abs().max()
    checked = 0
    for key, parameter in network.named_parameters():
        gradient = own[key].grad
        assert gradient is not None
        assert parameter.grad is not None
        assert (parameter.grad - gradient).abs().max() <= 1e-10 * max(1.0, float(gradient.abs().max())), key
        checked += 1
    assert checked == len(list(network.parameters()))
