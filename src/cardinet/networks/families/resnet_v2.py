"""ResNetV2, full pre-activation: He et al. 2016 (arXiv 1603.05027).

On CIFAR the first unit activates a bare stem and the stride stands in the first 1x1 (resnet-1k-layers). For
ImageNet there are two networks: timm's `resnetv2_*`, with a bare stem and a first unit like all others, and
fb.resnet.torch's preresnet.lua, whose stem has the first activation: `.but(boundary="fb")`.
"""

from cardinet.networks.families.resnet import DEPTHS, resnet18, resnet50
from cardinet.networks.families.resnet_cifar import BASIC_DEPTHS, BOTTLENECK_DEPTHS, resnet20
from cardinet.networks.family import family
from cardinet.networks.parts.order import ORDERS, Order
from cardinet.networks.parts.transform import Transform

TIMM = Order(pre="bn relu", last="", after="", boundary="timm")
STRIDE_FIRST = Transform(kernels=(1, 3, 1), at=1, stride_at=0, expansion=4)

preact20 = resnet20.but(order=ORDERS["e"])
preact164 = preact20.but(depths=(18, 18, 18), transform=STRIDE_FIRST, kind="B", project="conv")
resnetv2_18 = resnet18.but(order=TIMM, project="conv")
resnetv2_50 = resnet50.but(order=TIMM, project="conv")
preresnet18 = resnetv2_18.but(words="bn relu")
preresnet50 = resnetv2_50.but(words="bn relu")
"""With BN and ReLU in the stem, although the first unit starts with them too: pytorchcv's."""

CIFAR = family(
    "ResNetV2",
    paper="arXiv 1603.05027",
    input_size=32,
    rows={
        "preact110_cifar": preact20.but(depths=(18, 18, 18)),
        "preact164_cifar": preact164,
        "preact1001_cifar": preact164.but(depths=(111, 111, 111)),
    },
    readings={
        "preact110_cifar": "shortcut A, as in the original network; with bare projections it counts 1,730,522.",
        "preact1001_cifar": "counts 10.33 M with BN's parameters; the printed 10.2 M is without them.",
    },
    peers={
        **{
            f"pytorchcv:preresnet{n}_cifar10": preact20.but(depths=d, boundary="timm", kind="B", project="conv")
            for n, d in BASIC_DEPTHS.items()
        },
        **{
            f"pytorchcv:preresnet{n}_cifar10": preact164.but(depths=depths, stride_at=1)
            for n, depths in BOTTLENECK_DEPTHS.items()
        },
    },
)
FAMILY = family(
    "ResNetV2",
    paper="arXiv 1603.05027",
    input_size=224,
    rows={
        "resnetv2_18": resnetv2_18,
        "resnetv2_34": resnetv2_18.but(depths=(3, 4, 6, 3)),
        "resnetv2_50": resnetv2_50,
        "resnetv2_101": resnetv2_50.but(depths=(3, 4, 23, 3)),
        "resnetv2_152": resnetv2_50.but(depths=(3, 8, 36, 3)),
        "preresnet200": preresnet50.but(depths=(3, 24, 36, 3)),
    },
    readings={
        **{
            f"resnetv2_{n}": "timm's boundary: a bare stem and a first unit like all others; fb.resnet.torch's has the "
            'first activation in the stem (order.boundary = "fb").'
            for n in (18, 34, 50, 101, 152)
        },
        "preresnet200": "pytorchcv's layers, whose count is the known one: BN and ReLU in the stem and the first unit "
        'too. fb.resnet.torch\'s preresnet.lua has them only in the stem (order.boundary = "fb": 64,666,152).',
    },
    peers={
        **{f"timm:resnetv2_{n}": f"resnetv2_{n}" for n in (18, 34, 50, 101, 152)},
        "pytorchcv:preresnet18": preresnet18,
        "pytorchcv:preresnet34": preresnet18.but(depths=DEPTHS[50]),
        **{f"pytorchcv:preresnet{n}b": preresnet50.but(depths=DEPTHS[n]) for n in (50, 101, 152, 269)},
        "pytorchcv:preresnet200b": "preresnet200",
        **{f"pytorchcv:preresnet{n}": preresnet50.but(depths=DEPTHS[n], stride_at=0) for n in (50, 101, 152, 200)},
    },
)
