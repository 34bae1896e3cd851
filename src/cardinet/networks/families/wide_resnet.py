"""Wide ResNet: Zagoruyko and Komodakis 2016 (arXiv 1605.07146).

WRN-n-k for CIFAR and SVHN: depth n = 6N + 4, full pre-activation units B(3,3), stages k times as wide, the stem
as narrow as before. `.but(dropout=0.3)` sets the dropout between the convolutions of a unit;
`.but(kernels=(1, 3, 1), at=1)` gives another block type of the paper. For ImageNet the units are the original ones.
"""

from functools import partial

from cardinet.networks.families.resnet import resnet18, resnet34, resnet50
from cardinet.networks.families.resnet_cifar import resnet20
from cardinet.networks.family import family, row
from cardinet.networks.parts.order import ORDERS
from cardinet.networks.residual import Residual


def wrn(depth: int, k: int) -> Residual:
    """WRN-depth-k."""
    n = (depth - 4) // 6
    widths = (16 * k, 32 * k, 64 * k)
    preactivated = resnet20.but(order=ORDERS["e"], kind="B", project="conv", init_fan="fan_in")
    return preactivated.but(depths=(n, n, n), widths=widths)


def widened(base: Residual, k: float) -> Residual:
    """A residual network whose stages are k times as wide; the stem does not change."""
    return base.but(widths=tuple(int(width * k) for width in base.widths))


wrn50_2 = resnet50.but(base_width=128)

dropout_last = partial(
    row,
    reading="Dropout, with rate 0 here, is after the second BN and ReLU, as in the authors' code. The paper's "
    "figure has it before them.",
)

CIFAR = family(
    "WideResNet",
    paper="arXiv 1605.07146",
    input_size=32,
    rows={
        "wrn40_1": dropout_last(wrn(40, 1)),
        "wrn40_2": dropout_last(wrn(40, 2)),
        "wrn40_4": dropout_last(wrn(40, 4)),
        "wrn40_8": dropout_last(wrn(40, 8), "pytorchcv:wrn40_8_cifar10"),
        "wrn40_10": dropout_last(wrn(40, 10)),
        "wrn28_10": dropout_last(wrn(28, 10), "pytorchcv:wrn28_10_cifar10"),
        "wrn28_12": dropout_last(wrn(28, 12)),
        "wrn22_8": dropout_last(wrn(22, 8)),
        "wrn22_10": dropout_last(wrn(22, 10)),
        "wrn16_4": dropout_last(wrn(16, 4)),
        "wrn16_8": dropout_last(wrn(16, 8)),
        "wrn16_10": dropout_last(wrn(16, 10), "pytorchcv:wrn16_10_cifar10"),
        "wrn52_1": dropout_last(wrn(52, 1)),
    },
)
FAMILY = family(
    "WideResNet",
    paper="arXiv 1605.07146",
    input_size=224,
    rows={
        "wrn50_2": row(wrn50_2, "torchvision:wide_resnet50_2", "timm:wide_resnet50_2"),
        "wrn101_2": row(wrn50_2.but(depths=(3, 4, 23, 3)), "torchvision:wide_resnet101_2", "timm:wide_resnet101_2"),
        "wrn18_1p5_in": widened(resnet18, 1.5),
        "wrn18_2_in": widened(resnet18, 2),
        "wrn18_3_in": widened(resnet18, 3),
        "wrn34_1p5_in": widened(resnet34, 1.5),
        "wrn34_2_in": widened(resnet34, 2),
    },
    refused={"pytorchcv:wrn50_2": "its convolutions have biases instead of BN, as in folded files."},
)
