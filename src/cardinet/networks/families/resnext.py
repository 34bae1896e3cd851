"""ResNeXt: Xie et al. 2016 (arXiv 1611.05431); aggregated transforms, cardinality C and base width d as CxWd.

CIFAR networks have depth 9n + 2 with the post-activation units of the later paper version and the released code.
"""

from functools import partial

from cardinet.networks.families.resnet import RESNET_D, resnet50, resnet101, resnet152
from cardinet.networks.family import family, row
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.residual import Residual

resnext29 = Residual(
    depths=(3, 3, 3), widths=(64, 128, 256), stem=Stem(layout="cifar"), transform=BOTTLENECK, num_classes=10
)
resnext11 = Residual(
    depths=(1, 1, 1),
    widths=(16, 32, 64),
    stem=Stem(layout="cifar", width=32),
    transform=BOTTLENECK,
    num_classes=10,
)

resnext50_32x4d = resnet50.but(cardinality=32, base_width=4)
resnext101_32x4d = resnet101.but(cardinality=32, base_width=4)
resnext101_64x4d = resnet101.but(cardinality=64, base_width=4)
resnext101_32x8d = resnet101.but(cardinality=32, base_width=8)

LEFT_OUT = "Neither identities nor projections are left. The paper does not say so, but this is the natural reading."

FAMILY = family(
    "ResNeXt",
    paper="arXiv 1611.05431",
    input_size=224,
    rows={
        "resnext50_1x64d": resnet50.but(cardinality=1, base_width=64),
        "resnext50_2x40d": resnet50.but(cardinality=2, base_width=40),
        "resnext50_4x24d": resnet50.but(cardinality=4, base_width=24),
        "resnext50_8x14d": resnet50.but(cardinality=8, base_width=14),
        "resnext50_32x4d": row(
            resnext50_32x4d, "torchvision:resnext50_32x4d", "timm:resnext50_32x4d", "pytorchcv:resnext50_32x4d"
        ),
        "resnext101_1x64d": resnet101.but(cardinality=1, base_width=64),
        "resnext101_2x40d": resnet101.but(cardinality=2, base_width=40),
        "resnext101_4x24d": resnet101.but(cardinality=4, base_width=24),
        "resnext101_8x14d": resnet101.but(cardinality=8, base_width=14),
        "resnext101_32x4d": row(resnext101_32x4d, "timm:resnext101_32x4d", "pytorchcv:resnext101_32x4d"),
        "resnext101_1x100d": resnet101.but(cardinality=1, base_width=100),
        "resnext101_2x64d": resnet101.but(cardinality=2, base_width=64),
        "resnext101_64x4d": row(
            resnext101_64x4d, "torchvision:resnext101_64x4d", "timm:resnext101_64x4d", "pytorchcv:resnext101_64x4d"
        ),
        "resnext101_32x8d": row(resnext101_32x8d, "torchvision:resnext101_32x8d", "timm:resnext101_32x8d"),
        "resnext152_64x4d": resnet152.but(cardinality=64, base_width=4),
        "resnet50_noshortcut": row(resnet50.but(kind="none"), reading=LEFT_OUT),
        "resnext50_32x4d_noshortcut": row(resnext50_32x4d.but(kind="none"), reading=LEFT_OUT),
    },
    variants={
        "timm:resnext101_32x16d": resnet101.but(cardinality=32, base_width=16),
        "timm:resnext101_32x32d": resnet101.but(cardinality=32, base_width=32),
        "timm:resnext50d_32x4d": resnext50_32x4d.but(**RESNET_D),
        "pytorchcv:resnext14_16x4d": resnet50.but(depths=(1, 1, 1, 1), cardinality=16, base_width=4),
        "pytorchcv:resnext14_32x2d": resnet50.but(depths=(1, 1, 1, 1), cardinality=32, base_width=2),
        "pytorchcv:resnext14_32x4d": resnet50.but(depths=(1, 1, 1, 1), cardinality=32, base_width=4),
        "pytorchcv:resnext26_16x4d": resnet50.but(depths=(2, 2, 2, 2), cardinality=16, base_width=4),
        "pytorchcv:resnext26_32x2d": resnet50.but(depths=(2, 2, 2, 2), cardinality=32, base_width=2),
        "pytorchcv:resnext26_32x4d": resnet50.but(depths=(2, 2, 2, 2), cardinality=32, base_width=4),
        "pytorchcv:resnext38_32x4d": resnet50.but(depths=(3, 3, 3, 3), cardinality=32, base_width=4),
    },
)

later_version = partial(
    row,
    reading="Original units, as in the later version of the paper and in the released code, which give the "
    "published errors. The first version of the paper had pre-activation.",
)

SMALL = family(
    "ResNeXt",
    paper="arXiv 1611.05431",
    input_size=32,
    rows={
        "resnext29_8x64d": later_version(resnext29.but(cardinality=8, base_width=64)),
        "resnext29_16x64d": later_version(
            resnext29.but(cardinality=16, base_width=64), "pytorchcv:resnext29_16x64d_cifar10"
        ),
        "resnext29_1x64d": later_version(resnext29.but(cardinality=1, base_width=64)),
        "resnext29_2x64d": later_version(resnext29.but(cardinality=2, base_width=64)),
        "resnext29_4x64d": later_version(resnext29.but(cardinality=4, base_width=64)),
        "resnext29_32x4d": later_version(
            resnext29.but(cardinality=32, base_width=4), "pytorchcv:resnext29_32x4d_cifar10"
        ),
        "resnext29_1x128d": later_version(resnext29.but(cardinality=1, base_width=128)),
        "resnext29_1x192d": later_version(resnext29.but(cardinality=1, base_width=192)),
    },
    variants={
        "pytorchcv:resnext20_16x4d_cifar10": resnext29.but(depths=(2, 2, 2), cardinality=16, base_width=4),
        "pytorchcv:resnext20_32x2d_cifar10": resnext29.but(depths=(2, 2, 2), cardinality=32, base_width=2),
        "pytorchcv:resnext20_32x4d_cifar10": resnext29.but(depths=(2, 2, 2), cardinality=32, base_width=4),
        "pytorchcv:resnext272_1x64d_cifar10": resnext29.but(depths=(30, 30, 30), cardinality=1, base_width=64),
        "pytorchcv:resnext272_2x32d_cifar10": resnext29.but(depths=(30, 30, 30), cardinality=2, base_width=32),
    },
)
DIGITS = family(
    "ResNeXt",
    paper="Cardinet; the CIFAR layout of arXiv 1611.05431 at n = 1 for 8x8 scans",
    input_size=8,
    rows={"resnext11_8x16d_digits": resnext11.but(cardinality=8, base_width=16, in_channels=1)},
)
