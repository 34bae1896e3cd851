"""Wide ResNet: Zagoruyko and Komodakis 2016 (arXiv 1605.07146).

WRN-n-k for CIFAR and SVHN: depth n = 6N + 4, full pre-activation units B(3,3), stages k times as wide, the stem
not. `.but(dropout=0.3)` sets the dropout between the convolutions of a unit, `.but(kernels=(1, 3, 1), at=1)` one of
the paper's other block types. For ImageNet the units are the original ones.
"""

from cardinet.networks.families.resnet import resnet18, resnet34, resnet50
from cardinet.networks.families.resnet_cifar import resnet20
from cardinet.networks.family import family
from cardinet.networks.parts.order import ORDERS
from cardinet.networks.residual import Residual

CIFAR_NETS = [
    *((40, k) for k in (1, 2, 4, 8, 10)),
    *((28, k) for k in (10, 12)),
    *((22, k) for k in (8, 10)),
    *((16, k) for k in (4, 8, 10)),
    (52, 1),
]


def wrn(depth: int, k: int) -> Residual:
    """WRN-depth-k."""
    n = (depth - 4) // 6
    widths = (16 * k, 32 * k, 64 * k)
    preactivated = resnet20.but(order=ORDERS["e"], kind="B", project="conv", init_fan="fan_in")
    return preactivated.but(depths=(n, n, n), widths=widths)


def widened(base: Residual, k: float) -> Residual:
    """A residual network with stages k times as wide; the stem stays."""
    return base.but(widths=tuple(int(width * k) for width in base.widths))


wrn50_2 = resnet50.but(base_width=128)

CIFAR = family(
    "WideResNet",
    paper="arXiv 1605.07146",
    input_size=32,
    rows={f"wrn{depth}_{k}": wrn(depth, k) for depth, k in CIFAR_NETS},
    readings={
        f"wrn{depth}_{k}": "a dropout rate, 0 here, stands after the second BN and ReLU, as in the authors' code; the "
        "paper's figure has it before them."
        for depth, k in CIFAR_NETS
    },
    peers={f"pytorchcv:wrn{depth}_{k}_cifar10": f"wrn{depth}_{k}" for depth, k in ((16, 10), (28, 10), (40, 8))},
)
FAMILY = family(
    "WideResNet",
    paper="arXiv 1605.07146",
    input_size=224,
    rows={
        "wrn50_2": wrn50_2,
        "wrn101_2": wrn50_2.but(depths=(3, 4, 23, 3)),
        **{f"wrn18_{name}_in": widened(resnet18, k) for name, k in (("1p5", 1.5), ("2", 2), ("3", 3))},
        **{f"wrn34_{name}_in": widened(resnet34, k) for name, k in (("1p5", 1.5), ("2", 2))},
    },
    peers={f"{library}:wide_resnet{n}_2": f"wrn{n}_2" for library in ("torchvision", "timm") for n in (50, 101)},
    refused={"pytorchcv:wrn50_2": "its convolutions have biases in the place of batch norm, as in folded files."},
)
