"""GoogLeNet: counts, Caffe's sizes, the response norm and both modules from their formulas in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from cardinet.base.errors import RequestError
from cardinet.blocks.googlenet import ResponseNorm
from cardinet.build.builder import build
from cardinet.measure.counts import count_spec
from cardinet.networks.families.googlenet import GoogLeNet
from cardinet.networks.registry import find

TINY = GoogLeNet(widths=(((2, 3, 4, 5, 6, 7), (3, 2, 2, 2, 1, 1)),), num_classes=3, in_channels=2)
COUNTS = {"googlenet": (6_998_552, 1.583), "torchvision:googlenet": (6_624_904, 1.498)}


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name: str) -> None:
    row = find(name)
    found = count_spec(row.spec, row.input_size)
    assert (found.params, round(found.macs / 1e9, 3)) == COUNTS[name]


def test_224_pixels_end_in_7() -> None:
    """112 to 56, 56 to 28, 28 to 14 and 14 to 7 by pools of 3 with stride 2: rounded down it were 6."""
    row = find("googlenet")
    stages = {stage.name: stage.output for stage in count_spec(row.spec, row.input_size).stages}
    assert [stages[name] for name in ("stem", "layer1", "layer2", "layer3")] == [
        (192, 28, 28),
        (480, 28, 28),
        (832, 14, 14),
        (1024, 7, 7),
    ]
    assert row.spec.stride == 32


def test_the_naive_modules_keep_the_channels_of_the_pool() -> None:
    """Figure 2(a): each module adds its input's channels to its own, 64 + 128 + 32 + 192 after the first."""
    stages = {stage.name: stage.output[0] for stage in count_spec(find("googlenet").spec.but(naive=True), 224).stages}
    first = 192 + 64 + 128 + 32
    assert stages["layer1"] == first + 128 + 192 + 96
    assert TINY.but(naive=True, widths=(((64, 96, 128, 16, 32, 32),),)).stride == 8


def test_response_norm_is_its_formula() -> None:
    x = 30 * torch.randn(2, 7, 3, 4, dtype=torch.float64)
    expected = torch.empty_like(x)
    for c in range(7):
        near = x[:, max(0, c - 2) : c + 3]
        expected[:, c] = x[:, c] / (1 + 1e-4 / 5 * (near**2).sum(1)) ** 0.75
    found = ResponseNorm(7)(x)
    assert (found - expected).abs().max() <= 1e-12 * expected.abs().max()
    assert (found - x).abs().max() > 1e-3 * x.abs().max()  # it does something


def module(x: Tensor, state: dict[str, Tensor], at: str, naive: bool, five: int) -> Tensor:
    """Figure 2(a) or 2(b), convolutions with bias and ReLU."""

    def conv(x: Tensor, branch: int, place: int, kernel: int) -> Tensor:
        name = f"{at}.branches.{branch}.{place}.conv"
        assert state[f"{name}.weight"].shape[2:] == (kernel, kernel)
        return conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=kernel // 2).clamp(min=0)

    pooled = max_pool2d(x, 3, 1, 1)
    if naive:
        return torch.cat([conv(x, 0, 0, 1), conv(x, 1, 0, 3), conv(x, 2, 0, five), pooled], 1)
    wide = conv(conv(x, 2, 0, 1), 2, 1, five)
    return torch.cat([conv(x, 0, 0, 1), conv(conv(x, 1, 0, 1), 1, 1, 3), wide, conv(pooled, 3, 1, 1)], 1)


@pytest.mark.parametrize(("naive", "five", "lrn"), [(False, 5, True), (True, 5, True), (True, 3, False)])
def test_logits_are_those_of_the_modules(naive: bool, five: int, lrn: bool) -> None:
    torch.manual_seed(0)
    network = build(TINY.but(naive=naive, five=five, lrn=lrn)).double().eval()
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    state = network.state_dict()
    pixels = torch.randn(2, 2, 33, 30, dtype=torch.float64)
    with torch.no_grad():
        x = network.get_submodule("stem")(pixels)
        assert x.shape == (2, 192, 4, 3)
        for place in range(2):
            x = module(x, state, f"layer1.{place}", naive, five)
        expected = x.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]
        assert (network(pixels) - expected).abs().max() <= 1e-12 * expected.abs().max()
    assert x.shape[1] == ((192 + 2 + 4 + 6) + 3 + 2 + 1 if naive else 3 + 2 + 1 + 1)


def test_convolutions_carry_a_bias_or_a_norm_and_biases_start_at_0() -> None:
    for norm in (False, True):
        state = build(TINY.but(norm=norm)).state_dict()
        biases = [name for name in state if name.endswith("conv.bias")]
        assert bool(biases) != norm
        assert not any(state[name].any() for name in biases)
        assert any(name.endswith("bn.running_var") for name in state) == norm


def test_refusals() -> None:
    with pytest.raises(RequestError) as error:
        TINY.but(five=4, last_pool=1, dropout=1, widths=())
    assert [line.split(" ")[0] for line in error.value.findings] == ["widths", "five", "last_pool", "dropout"]
