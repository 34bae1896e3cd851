"""ResNet for CIFAR: He et al. 2015, Section 4.2; depth 6n + 2, basic units, shortcut A (arXiv 1512.03385)."""

from functools import partial

from cardinet.networks.family import family, row
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

projected = resnet20.but(kind="B")
resnet164 = projected.but(depths=(18, 18, 18), transform=BOTTLENECK)

zero_padded = partial(
    row,
    reading="Zero channels are added at the end, as in fb.resnet.torch. Other code adds half of them on each side "
    "(pad = both). The paper does not say which.",
)

FAMILY = family(
    "ResNet-CIFAR",
    paper="arXiv 1512.03385",
    input_size=32,
    rows={
        "resnet20_cifar": zero_padded(resnet20),
        "resnet32_cifar": zero_padded(resnet20.but(depths=(5, 5, 5))),
        "resnet44_cifar": zero_padded(resnet20.but(depths=(7, 7, 7))),
        "resnet56_cifar": zero_padded(resnet20.but(depths=(9, 9, 9))),
        "resnet110_cifar": zero_padded(resnet20.but(depths=(18, 18, 18))),
        "resnet1202_cifar": zero_padded(resnet20.but(depths=(200, 200, 200))),
        "plain20_cifar": resnet20.but(kind="none"),
        "plain32_cifar": resnet20.but(kind="none", depths=(5, 5, 5)),
        "plain44_cifar": resnet20.but(kind="none", depths=(7, 7, 7)),
        "plain56_cifar": resnet20.but(kind="none", depths=(9, 9, 9)),
    },
    variants={
        "pytorchcv:resnet20_cifar10": projected,
        "pytorchcv:resnet56_cifar10": projected.but(depths=(9, 9, 9)),
        "pytorchcv:resnet110_cifar10": projected.but(depths=(18, 18, 18)),
        "pytorchcv:resnet1202_cifar10": projected.but(depths=(200, 200, 200)),
        "pytorchcv:resnet164bn_cifar10": resnet164,
        "pytorchcv:resnet272bn_cifar10": resnet164.but(depths=(30, 30, 30)),
        "pytorchcv:resnet542bn_cifar10": resnet164.but(depths=(60, 60, 60)),
        "pytorchcv:resnet1001_cifar10": resnet164.but(depths=(111, 111, 111)),
    },
    unbuildable={
        "veit_ensemble": "it is an analysis of resnet110_cifar and its 2^54 paths (arXiv 1605.06431), not another "
        "network."
    },
)
