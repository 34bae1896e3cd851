"""Inception networks: counts, sizes, and every kind of piece against its formula in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.measure.counts import count_spec
from cardinet.networks.families import inception_resnet, inception_v3, inception_v4
from cardinet.networks.inception import Inception
from cardinet.networks.parts.inception_pieces import (
    AVERAGE,
    MAX,
    Concatenation,
    Convolution,
    InceptionResidual,
    Pooling,
    conv,
    fork,
    residual,
    window,
)
from cardinet.networks.registry import find

COUNTS = {
    "inception_v3": (23_834_568, 5.713),
    "inception_v4": (42_679_816, 12.254),
    "inception_resnet_v1": (23_995_624, 6.308),  # pytorchcv prints 6.330, which counts more than layers with weights
    "inception_resnet_v2": (55_843_464, 13.156),
}
ROWS = [*inception_v3.FAMILY.rows, *inception_v4.FAMILY.rows, *inception_resnet.FAMILY.rows]


def test_every_row_but_the_one_from_memory_has_a_published_count() -> None:
    assert sorted(ROWS) == sorted([*COUNTS, "inception_resnet_v2_paper"])
    assert len(COUNTS) == 4


@pytest.mark.parametrize("id", COUNTS)
def test_counts(id: str) -> None:
    row = find(id)
    found = count_spec(row.spec, row.input_size)
    assert (found.params, round(found.macs / 1e9, 3)) == COUNTS[id]


def test_the_papers_figures_of_inception_resnet_v2_add_up() -> None:
    """Each size's width follows from the branches: 384, 3 x 384, and 1152 + 384 + 288 + 320."""
    row = find("inception_resnet_v2_paper")
    outputs = {stage.name: stage.output for stage in count_spec(row.spec, 299).stages}
    assert [outputs[f"layer{i}"] for i in (1, 2, 3)] == [(384, 35, 35), (1152, 17, 17), (2144, 8, 8)]
    assert [len(stage) for stage in row.spec.stages] == [5, 1 + 10, 1 + 5]


@pytest.mark.parametrize("id", ROWS)
def test_the_window_of_the_description_gives_every_size(id: str) -> None:
    """floor((n - 1 - rows) / stride) + 1; the smallest picture is the one of 75 pixels."""
    spec = find(id).spec
    whole = window([*spec.stem, *(piece for stage in spec.stages for piece in stage)])
    assert whole == (32, 74, 74)
    assert spec.stride == 32
    for size in (75, 106, 107, 299):
        stages = {stage.name: stage.output for stage in count_spec(spec, size).stages}
        side = (size - 1 - whole[1]) // whole[0] + 1
        assert stages["layer3"][1:] == (side, side)
    with pytest.raises(RequestError, match="74 x 74"):
        count_spec(spec, 74)


# The formulas, without any module of torch or Cardinet.


def windows(x: Tensor, kernel: tuple[int, int], stride: int, around: tuple[int, int], fill: float) -> Tensor:
    """All kernel offsets of a padded picture, (N, C, offsets, rows, columns)."""
    n, channels, height, width = x.shape
    padded = x.new_full((n, channels, height + 2 * around[0], width + 2 * around[1]), fill)
    padded[:, :, around[0] : around[0] + height, around[1] : around[1] + width] = x
    rows, columns = ((side - k) // stride + 1 for side, k in zip(padded.shape[2:], kernel, strict=True))
    return torch.stack(
        [
            padded[:, :, u : u + stride * rows : stride, v : v + stride * columns : stride][:, :, :rows, :columns]
            for u in range(kernel[0])
            for v in range(kernel[1])
        ],
        2,
    )


def around(piece: Any, kernel: tuple[int, int]) -> tuple[int, int]:
    return (kernel[0] // 2, kernel[1] // 2) if piece.padding == "same" else (0, 0)


def normalise(x: Tensor, state: dict[str, Tensor], at: str, training: bool) -> Tensor:
    shape = (1, -1, *[1] * (x.dim() - 2))
    if training:
        axes = [0, *range(2, x.dim())]
        mean = x.mean(axes).view(shape)
        variance = ((x - mean) ** 2).mean(axes).view(shape)
    else:
        mean, variance = state[f"{at}.running_mean"].view(shape), state[f"{at}.running_var"].view(shape)
    y = (x - mean) / torch.sqrt(variance + 1e-3)
    return y * state[f"{at}.weight"].view(shape) + state[f"{at}.bias"].view(shape)


def positive(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.zeros_like(x))


def run(x: Tensor, pieces: Sequence[Any], state: dict[str, Tensor], at: str, training: bool) -> Tensor:
    for i, piece in enumerate(pieces):
        x = apply(x, piece, state, f"{at}.{i}", training)
    return x


def apply(x: Tensor, piece: Any, state: dict[str, Tensor], at: str, training: bool) -> Tensor:
    if isinstance(piece, Convolution):
        weight = state[f"{at}.conv.weight"].flatten(2)
        y = torch.einsum(
            "ncohw,dco->ndhw", windows(x, piece.kernel, piece.stride, around(piece, piece.kernel), 0), weight
        )
        return positive(normalise(y, state, f"{at}.bn", training))
    if isinstance(piece, Pooling):
        kernel = (piece.kernel, piece.kernel)
        if piece.kind == "max":
            return windows(x, kernel, piece.stride, around(piece, kernel), -math.inf).amax(2)
        total = windows(x, kernel, piece.stride, around(piece, kernel), 0).sum(2)
        ones = windows(torch.ones_like(x), kernel, piece.stride, around(piece, kernel), float(piece.counts_padding))
        return total / ones.sum(2)
    joined = torch.cat([run(x, b, state, f"{at}.branches.{k}", training) for k, b in enumerate(piece.branches)], 1)
    if isinstance(piece, Concatenation):
        return joined
    assert isinstance(piece, InceptionResidual)
    weight, bias = state[f"{at}.conv.weight"][:, :, 0, 0], state[f"{at}.conv.bias"]
    y = x + piece.scale * (torch.einsum("nchw,dc->ndhw", joined, weight) + bias[:, None, None])
    return positive(y) if piece.activation else y


SMALL = Inception(
    stem=(conv("3x3", 6, stride=2), conv("1x7", 5), fork([MAX], [conv("3x3", 4, stride=2)])),
    stages=(
        (
            fork([conv("1x1", 3)], [conv("5x5", 4), fork([conv("1x3", 2)], [conv("3x1", 3)])], [Pooling(kind="avg")]),
            residual([conv("1x1", 3)], [conv("1x1", 2), conv("1x3", 4), conv("7x1", 5)], scale=0.3),
        ),
        (
            fork([AVERAGE, conv("1x1", 3)], [Pooling(kind="max")]),
            fork([conv("3x3", 5, valid=True)], [conv("1x1", 2), conv("3x3", 4, valid=True)]),
            residual([conv("3x3", 3)], [conv("1x1", 2)], activation=False),
        ),
    ),
    dropout=0,
    embedding=7,
    num_classes=4,
    in_channels=2,
)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_logits_and_gradients_are_those_of_the_formulas(training: bool) -> None:
    torch.manual_seed(0)
    network = build(SMALL).double().train(training)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.dim() == 1:
                tensor.normal_(mean=0.3)
    state = {name: t.clone().requires_grad_(t.is_floating_point()) for name, t in network.state_dict().items()}
    pixels = torch.randn(3, 2, 33, 26, dtype=torch.float64)
    weights = torch.randn(3, 4, dtype=torch.float64)

    h = run(pixels, SMALL.stem, state, "stem", training)
    for i, stage in enumerate(SMALL.stages, 1):
        h = run(h, stage, state, f"layer{i}", training)
    assert (h < 0).any()  # the last block has no ReLU
    embedded = normalise(h.mean((2, 3)) @ state["fc1.weight"].T, state, "bn1", training)
    expected = embedded @ state["fc.weight"].T + state["fc.bias"]
    (expected * weights).sum().backward()
    found = network(pixels)
    (found * weights).sum().backward()

    assert (found - expected).abs().max() <= 1e-10 * expected.abs().max()
    checked = 0
    for name, parameter in network.named_parameters():
        gradient = state[name].grad
        assert gradient is not None
        assert parameter.grad is not None
        assert (parameter.grad - gradient).abs().max() <= 1e-10 * max(1.0, float(gradient.abs().max())), name
        checked += 1
    assert checked == len(list(network.parameters())) == 17 * 3 + 2 * 2 + 1 + 2 + 2


def test_feature_maps() -> None:
    network = build(SMALL).eval()
    taps = [(tap.name, tap.channels, tap.stride) for tap in network.taps]
    assert taps == [("stem", 9, 4), ("layer1", 17, 4), ("layer2", 9, 4)]
    with torch.no_grad():
        found = network.features(torch.randn(1, 2, 33, 33))
    assert [found[tap.name].shape[1] for tap in network.taps] == [tap.channels for tap in network.taps]
    assert found["pooled"].shape == (1, 7)


@pytest.mark.parametrize("init", ["torchvision", "paper"])
def test_the_bias_of_a_residual_block_starts_at_0(init: str) -> None:
    network = build(SMALL, init=init)
    biases = [p for name, p in network.named_parameters() if name.endswith("conv.bias")]
    assert len(biases) == 2
    assert not any(bias.any() for bias in biases)


def test_refusals_name_value_and_fix() -> None:
    with pytest.raises(RequestError) as error:
        fork([conv("3x3", 4)], [MAX], [conv("1x1", 2), conv("3x3", 4, valid=True)])
    assert [line[:11] for line in error.value.findings] == ["branches[1]", "branches[2]"]
    assert "(2, 2, 2) but branches[0] has (1, 0, 0)" in error.value.findings[0]
    with pytest.raises(RequestError, match="use stride 1 and same padding"):
        residual([conv("3x3", 4, stride=2)])
    with pytest.raises(RequestError) as error:
        SMALL.but(stem=("3x3", conv("1x1", 4)), stages=((7,),))
    assert error.value.findings == tuple(
        f"{x} is not a piece; give one, such as Convolution(width=64)." for x in ("'3x3'", 7)
    )
    with pytest.raises(RequestError, match="dropout = 1"):
        SMALL.but(dropout=1)
    with pytest.raises(RequestError, match="num_classes = 0"):
        SMALL.but(num_classes=0, embedding=0)
