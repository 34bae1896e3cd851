"""ResNeXt: Xie et al. 2016 (arXiv 1611.05431); aggregated transforms, cardinality C and base width d as CxWd.

CIFAR networks have depth 9n + 2 with the post-activation units of the later paper version and the released code.
"""

from cardinet.networks.families.resnet import RESNET_D, resnet50, resnet101, resnet152
from cardinet.networks.family import family
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

IMAGENET = {
    50: (resnet50, [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)]),
    101: (resnet101, [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4), (1, 100), (2, 64), (64, 4), (32, 8)]),
    152: (resnet152, [(64, 4)]),
}
SHALLOW = [(n, c, d) for n in (1, 2) for c, d in ((16, 4), (32, 2), (32, 4))] + [(3, 32, 4)]
CIFAR = [(8, 64), (16, 64), (1, 64), (2, 64), (4, 64), (32, 4), (1, 128), (1, 192)]

FAMILY = family(
    "ResNeXt",
    paper="arXiv 1611.05431",
    input_size=224,
    rows={
        f"resnext{depth}_{c}x{d}d": base.but(cardinality=c, base_width=d)
        for depth, (base, templates) in IMAGENET.items()
        for c, d in templates
    }
    | {
        "resnet50_noshortcut": resnet50.but(kind="none"),
        "resnext50_32x4d_noshortcut": resnet50.but(cardinality=32, base_width=4, kind="none"),
    },
    readings=dict.fromkeys(
        ("resnet50_noshortcut", "resnext50_32x4d_noshortcut"),
        "projections are left out with the identities, the natural reading; the paper does not say.",
    ),
    peers={
        **{
            f"torchvision:resnext{template}": f"resnext{template}"
            for template in ("50_32x4d", "101_64x4d", "101_32x8d")
        },
        **{
            f"{library}:resnext{template}": f"resnext{template}"
            for library in ("timm", "pytorchcv")
            for template in ("50_32x4d", "101_32x4d", "101_64x4d")
        },
        "timm:resnext101_32x8d": "resnext101_32x8d",
        **{f"timm:resnext101_32x{d}d": resnet101.but(cardinality=32, base_width=d) for d in (16, 32)},
        "timm:resnext50d_32x4d": resnet50.but(cardinality=32, base_width=4, **RESNET_D),
        **{
            f"pytorchcv:resnext{12 * n + 2}_{c}x{d}d": resnet50.but(depths=(n, n, n, n), cardinality=c, base_width=d)
            for n, c, d in SHALLOW
        },
    },
)
SMALL = family(
    "ResNeXt",
    paper="arXiv 1611.05431",
    input_size=32,
    rows={f"resnext29_{c}x{d}d": resnext29.but(cardinality=c, base_width=d) for c, d in CIFAR},
    readings={
        f"resnext29_{c}x{d}d": "original units, as in the later paper version and the released code, whose errors are "
        "the published ones; the first version had pre-activation."
        for c, d in CIFAR
    },
    peers={
        **{f"pytorchcv:resnext29_{template}_cifar10": f"resnext29_{template}" for template in ("32x4d", "16x64d")},
        **{
            f"pytorchcv:resnext{9 * n + 2}_{c}x{d}d_cifar10": resnext29.but(
                depths=(n, n, n), cardinality=c, base_width=d
            )
            for n, c, d in ((2, 16, 4), (2, 32, 2), (2, 32, 4), (30, 1, 64), (30, 2, 32))
        },
    },
)
DIGITS = family(
    "ResNeXt",
    paper="Cardinet; the CIFAR layout of arXiv 1611.05431 at n = 1 for 8x8 scans",
    input_size=8,
    rows={"resnext11_8x16d_digits": resnext11.but(cardinality=8, base_width=16, in_channels=1)},
)
