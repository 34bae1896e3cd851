"""ResNetV2, full pre-activation: He et al. 2016 (arXiv 1603.05027).

The networks for CIFAR follow resnet-1k-layers: the stem has no activation, the first unit's activation feeds branch and
shortcut, and the first 1x1 has the stride. For ImageNet there are two kinds. In timm's `resnetv2_*` the stem has no
activation, and the first unit is like all others. In fb.resnet.torch's preresnet.lua the stem has the first
activation: `.but(boundary="fb")`.
"""

from cardinet.networks.families.resnet import resnet18, resnet50
from cardinet.networks.families.resnet_cifar import resnet20
from cardinet.networks.family import family, row
from cardinet.networks.parts.order import ORDERS, Order
from cardinet.networks.parts.transform import Transform

TIMM = Order(pre="bn relu", last="", after="", boundary="timm")
STRIDE_FIRST = Transform(kernels=(1, 3, 1), at=1, stride_at=0, expansion=4)

preact20 = resnet20.but(order=ORDERS["e"])
preact164 = preact20.but(depths=(18, 18, 18), transform=STRIDE_FIRST, kind="B", project="conv")
like_others = preact20.but(boundary="timm", kind="B", project="conv")
strided_3x3 = preact164.but(stride_at=1)
"""pytorchcv's for CIFAR: the first unit is like all others; bottlenecks have the stride in the 3x3."""

resnetv2_18 = resnet18.but(order=TIMM, project="conv")
resnetv2_34 = resnetv2_18.but(depths=(3, 4, 6, 3))
resnetv2_50 = resnet50.but(order=TIMM, project="conv")
preresnet18 = resnetv2_18.but(words="bn relu")
preresnet34 = resnetv2_34.but(words="bn relu")
preresnet50 = resnetv2_50.but(words="bn relu")
preresnet101 = preresnet50.but(depths=(3, 4, 23, 3))
preresnet152 = preresnet50.but(depths=(3, 8, 36, 3))
preresnet200 = preresnet50.but(depths=(3, 24, 36, 3))
"""pytorchcv's network: BN and ReLU are in the stem, and also at the start of the first unit."""

BOUNDARY = (
    "As in timm, the stem has no BN and ReLU, and the first unit is like all others. In fb.resnet.torch the stem "
    'has them instead of the first unit (order.boundary = "fb").'
)

CIFAR = family(
    "ResNetV2",
    paper="arXiv 1603.05027",
    input_size=32,
    rows={
        "preact110_cifar": row(
            preact20.but(depths=(18, 18, 18)),
            reading="Shortcut A, as in the original network. With 1x1 projections without BN it has 1,730,522 "
            "parameters.",
        ),
        "preact164_cifar": preact164,
        "preact1001_cifar": row(
            preact164.but(depths=(111, 111, 111)),
            reading="It has 10.33 M parameters. The published 10.2 M is without those of BN.",
        ),
    },
    variants={
        "pytorchcv:preresnet20_cifar10": like_others,
        "pytorchcv:preresnet56_cifar10": like_others.but(depths=(9, 9, 9)),
        "pytorchcv:preresnet110_cifar10": like_others.but(depths=(18, 18, 18)),
        "pytorchcv:preresnet1202_cifar10": like_others.but(depths=(200, 200, 200)),
        "pytorchcv:preresnet164bn_cifar10": strided_3x3,
        "pytorchcv:preresnet272bn_cifar10": strided_3x3.but(depths=(30, 30, 30)),
        "pytorchcv:preresnet542bn_cifar10": strided_3x3.but(depths=(60, 60, 60)),
        "pytorchcv:preresnet1001_cifar10": strided_3x3.but(depths=(111, 111, 111)),
    },
)
FAMILY = family(
    "ResNetV2",
    paper="arXiv 1603.05027",
    input_size=224,
    rows={
        "resnetv2_18": row(resnetv2_18, "timm:resnetv2_18", reading=BOUNDARY),
        "resnetv2_34": row(resnetv2_34, "timm:resnetv2_34", reading=BOUNDARY),
        "resnetv2_50": row(resnetv2_50, "timm:resnetv2_50", reading=BOUNDARY),
        "resnetv2_101": row(resnetv2_50.but(depths=(3, 4, 23, 3)), "timm:resnetv2_101", reading=BOUNDARY),
        "resnetv2_152": row(resnetv2_50.but(depths=(3, 8, 36, 3)), "timm:resnetv2_152", reading=BOUNDARY),
        "preresnet200": row(
            preresnet200,
            "pytorchcv:preresnet200b",
            reading="pytorchcv's layers, which give the known count: the stem and the first unit both have BN and "
            'ReLU. In fb.resnet.torch\'s preresnet.lua only the stem has them (order.boundary = "fb": '
            "64,666,152).",
        ),
    },
    variants={
        "pytorchcv:preresnet18": preresnet18,
        "pytorchcv:preresnet34": preresnet34,
        "pytorchcv:preresnet50b": preresnet50,
        "pytorchcv:preresnet101b": preresnet101,
        "pytorchcv:preresnet152b": preresnet152,
        "pytorchcv:preresnet269b": preresnet50.but(depths=(3, 30, 48, 8)),
        "pytorchcv:preresnet50": preresnet50.but(stride_at=0),
        "pytorchcv:preresnet101": preresnet101.but(stride_at=0),
        "pytorchcv:preresnet152": preresnet152.but(stride_at=0),
        "pytorchcv:preresnet200": preresnet200.but(stride_at=0),
    },
)
