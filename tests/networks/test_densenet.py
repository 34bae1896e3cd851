"""DenseNet: counts of every row, and the placing of dropout."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import densenet121

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.measure.counts import count_spec
from cardinet.networks.families.densenet import FAMILY, SMALL, DenseNet

ROWS = {**FAMILY.rows, **SMALL.rows}

# The parameters of densenet264 are printed nowhere; test_the_count_of_the_formula stands for it.
COUNTS = {
    "densenet121": (7978856, 2.834),
    "densenet169": (14149480, 3.36),
    "densenet201": (20013928, 4.291),
    "densenet161": (28681000, 7.728),
    "densenet264": (33337704, 5.752),
    "densenet_40_12": (1019722, 0.265),
    "densenet_100_12": (6979642, 1.77),
    "densenet_100_24": (27249082, 6.889),
    "densenet_bc_100_12": (769162, 0.288),
    "densenet_bc_250_24": (15324406, 5.419),
    "densenet_bc_190_40": (25624430, 9.302),
    "densenet_bc_40_36": (1542682, 0.647),
    "densenet_bc_40_48": (2733130, 1.15),
    "densenet_bc_40_60": (4261690, 1.796),
}
CIFAR100 = {"densenet_40_12": 1060132, "densenet_100_12": 7084852, "densenet_bc_100_12": 800032}

SMALLEST = DenseNet(depths=(3, 2), growth=4, stem="cifar", stem_width=8, num_classes=5, in_channels=2)
KINDS = {
    "bottleneck": SMALLEST,
    "plain": SMALLEST.but(bottleneck=False, compression=1),
    "bottleneck, dropout": SMALLEST.but(dropout=0.3),
    "imagenet, plain, dropout": SMALLEST.but(bottleneck=False, stem="imagenet", dropout=0.3),
}


def test_number_of_rows() -> None:
    assert set(COUNTS) == set(ROWS)
    assert len(COUNTS) == 14


@pytest.mark.parametrize("id", COUNTS)
def test_counts(id: str) -> None:
    counts = count_spec(ROWS[id].spec, ROWS[id].input_size)
    assert (counts.params, round(counts.macs / 1e9, 3)) == COUNTS[id]


@pytest.mark.parametrize("id", CIFAR100)
def test_counts_for_100_classes(id: str) -> None:
    assert count_spec(ROWS[id].spec.but(num_classes=100), 32).params == CIFAR100[id]


def test_the_count_of_the_formula() -> None:
    """The parameters of densenet264 as a sum: convolutions, and 2 per channel that enters a BN."""
    k, m = 32, 64
    total = 3 * 64 * 49 + 2 * 64
    for block, depth in enumerate((6, 12, 64, 48)):
        total += sum(2 * (m + i * k) + (m + i * k) * 4 * k + 2 * 4 * k + 4 * k * k * 9 for i in range(depth))
        m += depth * k
        if block < 3:
            total += 2 * m + m * (m // 2)
            m //= 2
    assert total + 2 * m + m * 1000 + 1000 == COUNTS["densenet264"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_follows_every_convolution_but_the_first(kind: str) -> None:
    network = build(KINDS[kind].but(dropout=0.25), device="meta")
    order = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Dropout)]
    assert isinstance(order[0], nn.Conv2d)
    assert all(isinstance(m, nn.Conv2d) for m in order[1::2])
    assert [m.p for m in order[2::2] if isinstance(m, nn.Dropout)] == [0.25] * (len(order) // 2)


def test_compression_takes_the_floor() -> None:
    network = build(SMALLEST.but(depths=(3, 1), compression=0.33), device="meta")
    conv = network.get_submodule("transition1.conv")
    assert isinstance(conv, nn.Conv2d)
    assert conv.out_channels == 6  # floor(0.33 x (8 + 3 x 4))
    assert network.num_features == 6 + 4
    with pytest.raises(RequestError, match=r"compression = 0.04 keeps none of the 20 channels .* at least 0.0500"):
        SMALLEST.but(compression=0.04)


def test_one_seed_gives_torchvisions_network() -> None:
    torch.manual_seed(3)
    ours = build(ROWS["densenet121"].spec).eval()
    torch.manual_seed(3)
    theirs = densenet121(weights=None).eval()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=0)
