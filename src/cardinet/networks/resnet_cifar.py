"""ResNet for CIFAR: He et al. 2015, Section 4.2; depth 6n + 2, basic units, shortcut A (arXiv 1512.03385)."""

from cardinet.networks.family import family
from cardinet.networks.residual import Residual, Shortcut, Stem

resnet20 = Residual(
    depths=(3, 3, 3),
    widths=(16, 32, 64),
    stem=Stem(layout="cifar", width=16),
    shortcut=Shortcut(kind="A"),
    num_classes=10,
)

FAMILY = family(
    "ResNet-CIFAR",
    paper="arXiv 1512.03385",
    input_size=32,
    rows={f"resnet{6 * n + 2}_cifar": resnet20.but(depths=(n, n, n)) for n in (3, 5, 7, 9, 18, 200)},
)
