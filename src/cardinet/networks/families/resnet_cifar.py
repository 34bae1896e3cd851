"""ResNet for CIFAR: He et al. 2015, Section 4.2; depth 6n + 2, basic units, shortcut A (arXiv 1512.03385)."""

from cardinet.networks.family import family
from cardinet.networks.parts.shortcut import Shortcut
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.residual import Residual

resnet20 = Residual(
    depths=(3, 3, 3),
    widths=(16, 32, 64),
    stem=Stem(layout="cifar", width=16),
    shortcut=Shortcut(kind="A"),
    num_classes=10,
)

BASIC_DEPTHS = {6 * n + 2: (n, n, n) for n in (3, 9, 18, 200)}
BOTTLENECK_DEPTHS = {"164bn": (18, 18, 18), "272bn": (30, 30, 30), "542bn": (60, 60, 60), "1001": (111, 111, 111)}
"""Of the networks for CIFAR in pytorchcv."""

FAMILY = family(
    "ResNet-CIFAR",
    paper="arXiv 1512.03385",
    input_size=32,
    rows={
        **{f"resnet{6 * n + 2}_cifar": resnet20.but(depths=(n, n, n)) for n in (3, 5, 7, 9, 18, 200)},
        **{f"plain{6 * n + 2}_cifar": resnet20.but(depths=(n, n, n), kind="none") for n in (3, 5, 7, 9)},
    },
    peers={
        **{f"pytorchcv:resnet{n}_cifar10": resnet20.but(depths=d, kind="B") for n, d in BASIC_DEPTHS.items()},
        **{
            f"pytorchcv:resnet{n}_cifar10": resnet20.but(depths=depths, transform=BOTTLENECK, kind="B")
            for n, depths in BOTTLENECK_DEPTHS.items()
        },
    },
    readings={
        f"resnet{n}_cifar": "zero channels are appended at the end, as in fb.resnet.torch; other code pads half on "
        "both sides (pad = both). The paper leaves it open."
        for n in (20, 32, 44, 56, 110, 1202)
    },
    unbuildable={
        "veit_ensemble": "an analysis of resnet110_cifar and its 2^54 paths (arXiv 1605.06431), no network of its own."
    },
)
