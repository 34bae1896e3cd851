"""Squeeze-and-Excitation networks: Hu et al. 2017 (arXiv 1709.01507); layers as in the authors' prototxt files.

The first 1x1 has the stride in SE-ResNet, and the 3x3 in SE-ResNeXt. In timm's `seresnet*` the 3x3 always has it.
"""

from functools import partial

from cardinet.networks.families.resnet import (
    RESNET_D,
    resnet18,
    resnet26,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnet200,
    resnet269,
)
from cardinet.networks.families.resnet_cifar import projected, resnet20, resnet164
from cardinet.networks.families.resnet_v2 import (
    STRIDE_FIRST,
    preresnet18,
    preresnet34,
    preresnet50,
    preresnet101,
    preresnet152,
    preresnet200,
)
from cardinet.networks.families.resnext import resnext50_32x4d, resnext101_32x4d, resnext101_32x8d, resnext101_64x4d
from cardinet.networks.families.wide_resnet import wrn
from cardinet.networks.family import family, row
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.stem import Stem

SE = SqueezeExcite(reduction=16)

seresnet18 = resnet18.but(gate=SE, stem=Stem(pool="ceil"))
seresnet34 = resnet34.but(gate=SE, stem=Stem(pool="ceil"))
strided_3x3 = resnet50.but(gate=SE, stem=Stem(pool="ceil"))
seresnet50 = strided_3x3.but(stride_at=0)
senet154 = strided_3x3.but(depths=(3, 8, 36, 3), cardinality=64, base_width=4).but(
    narrow_first=0.5, project="conv3 bn", stem=Stem(layout="deep", pool="ceil"), head_dropout=0.2
)
"""The authors' networks, with Caffe's pool in the stem."""

NARROW_GATES = "its gates have at least 8 hidden units: 8 for 64 channels, where reduction 16 gives 4."

gate_after_bn = partial(
    row,
    reading="The gate follows the last BN, as in the paper. timm's legacy networks of that name have a ReLU between "
    "them.",
)

FAMILY = family(
    "SENet",
    paper="arXiv 1709.01507",
    input_size=224,
    rows={
        "seresnet18": gate_after_bn(seresnet18),
        "seresnet34": gate_after_bn(seresnet34),
        "seresnet50": row(seresnet50, "timm:legacy_seresnet50"),
        "seresnet101": row(seresnet50.but(depths=(3, 4, 23, 3)), "timm:legacy_seresnet101"),
        "seresnet152": row(seresnet50.but(depths=(3, 8, 36, 3)), "timm:legacy_seresnet152"),
        "seresnext50_32x4d": row(strided_3x3.but(cardinality=32, base_width=4), "timm:legacy_seresnext50_32x4d"),
        "seresnext101_32x4d": row(
            strided_3x3.but(depths=(3, 4, 23, 3), cardinality=32, base_width=4), "timm:legacy_seresnext101_32x4d"
        ),
        "seresnext101_64x4d": strided_3x3.but(depths=(3, 4, 23, 3), cardinality=64, base_width=4),
        "senet154": row(senet154, "timm:legacy_senet154"),
    },
    variants={
        "timm:legacy_seresnet18": seresnet18.but(last="bn relu"),
        "timm:legacy_seresnet34": seresnet34.but(last="bn relu"),
        "timm:legacy_seresnext26_32x4d": strided_3x3.but(depths=(2, 2, 2, 2), cardinality=32, base_width=4),
        "timm:seresnet50": row(resnet50.but(gate=SE), "pytorchcv:seresnet50b"),
        "timm:seresnet101": row(resnet101.but(gate=SE), "pytorchcv:seresnet101b"),
        "timm:seresnet152": row(resnet152.but(gate=SE), "pytorchcv:seresnet152b"),
        "timm:seresnet152d": resnet152.but(gate=SE, **RESNET_D),
        "timm:seresnet200d": resnet200.but(gate=SE, **RESNET_D),
        "timm:seresnet269d": resnet269.but(gate=SE, **RESNET_D),
        "timm:seresnext50_32x4d": row(resnext50_32x4d.but(gate=SE), "pytorchcv:seresnext50_32x4d"),
        "timm:seresnext101_32x4d": row(resnext101_32x4d.but(gate=SE), "pytorchcv:seresnext101_32x4d"),
        "timm:seresnext101_64x4d": row(resnext101_64x4d.but(gate=SE), "pytorchcv:seresnext101_64x4d"),
        "timm:seresnext101_32x8d": resnext101_32x8d.but(gate=SE),
        "timm:seresnext26d_32x4d": resnet26.but(cardinality=32, base_width=4, gate=SE, **RESNET_D),
        "timm:seresnext101d_32x8d": row(
            resnext101_32x8d.but(gate=SE, **RESNET_D), lookalikes=("timm:seresnextaa101d_32x8d",)
        ),
        "timm:senet154": senet154.but(pool="pad", head_dropout=0),
        "pytorchcv:senet154": senet154.but(pool="pad"),
        "pytorchcv:senet16": senet154.but(pool="pad", depths=(1, 1, 1, 1), cardinality=32),
        "pytorchcv:senet28": senet154.but(pool="pad", depths=(2, 2, 2, 2), cardinality=32),
        "pytorchcv:senet40": senet154.but(pool="pad", depths=(3, 3, 3, 3), cardinality=32),
        "pytorchcv:senet52": senet154.but(pool="pad", depths=(3, 4, 6, 3), cardinality=32),
        "pytorchcv:senet103": senet154.but(pool="pad", depths=(3, 4, 23, 3), cardinality=32),
        "pytorchcv:seresnet18": resnet18.but(gate=SE),
        "pytorchcv:seresnet34": resnet34.but(gate=SE),
        "pytorchcv:seresnet50": resnet50.but(gate=SE, stride_at=0),
        "pytorchcv:seresnet101": resnet101.but(gate=SE, stride_at=0),
        "pytorchcv:seresnet152": resnet152.but(gate=SE, stride_at=0),
        "pytorchcv:seresnet200": resnet200.but(gate=SE, stride_at=0),
        "pytorchcv:seresnet200b": resnet200.but(gate=SE),
        "pytorchcv:sepreresnet18": preresnet18.but(gate=SE),
        "pytorchcv:sepreresnet34": preresnet34.but(gate=SE),
        "pytorchcv:sepreresnet50": preresnet50.but(gate=SE, stride_at=0),
        "pytorchcv:sepreresnet50b": preresnet50.but(gate=SE),
        "pytorchcv:sepreresnet101": preresnet101.but(gate=SE, stride_at=0),
        "pytorchcv:sepreresnet101b": preresnet101.but(gate=SE),
        "pytorchcv:sepreresnet152": preresnet152.but(gate=SE, stride_at=0),
        "pytorchcv:sepreresnet152b": preresnet152.but(gate=SE),
        "pytorchcv:sepreresnet200": preresnet200.but(gate=SE, stride_at=0),
        "pytorchcv:sepreresnet200b": preresnet200.but(gate=SE),
    },
    refused={"timm:seresnet18": NARROW_GATES, "timm:seresnet34": NARROW_GATES},
)

UNCLOSED = "it has no BN and ReLU after its last unit; the paper's network has both."

as_on_imagenet = partial(
    row,
    reading="Reduction 16, as on ImageNet, so that 16 channels have 1 hidden unit. The paper gives no width for CIFAR.",
)

CIFAR = family(
    "SENet",
    paper="arXiv 1709.01507",
    input_size=32,
    rows={
        "se_resnet_110_cifar": as_on_imagenet(resnet20.but(depths=(18, 18, 18), gate=SE)),
        "se_resnet_164_cifar": as_on_imagenet(resnet164.but(transform=STRIDE_FIRST, gate=SE)),
        "se_wrn_16_8_cifar": as_on_imagenet(wrn(16, 8).but(gate=SE)),
    },
    variants={
        "pytorchcv:seresnet20_cifar10": projected.but(gate=SE),
        "pytorchcv:seresnet56_cifar10": projected.but(gate=SE, depths=(9, 9, 9)),
        "pytorchcv:seresnet110_cifar10": projected.but(gate=SE, depths=(18, 18, 18)),
        "pytorchcv:seresnet1202_cifar10": projected.but(gate=SE, depths=(200, 200, 200)),
        "pytorchcv:seresnet164bn_cifar10": resnet164.but(gate=SE),
        "pytorchcv:seresnet272bn_cifar10": resnet164.but(gate=SE, depths=(30, 30, 30)),
        "pytorchcv:seresnet542bn_cifar10": resnet164.but(gate=SE, depths=(60, 60, 60)),
        "pytorchcv:seresnet1001_cifar10": resnet164.but(gate=SE, depths=(111, 111, 111)),
    },
    refused={
        "pytorchcv:sepreresnet20_cifar10": UNCLOSED,
        "pytorchcv:sepreresnet56_cifar10": UNCLOSED,
        "pytorchcv:sepreresnet110_cifar10": UNCLOSED,
        "pytorchcv:sepreresnet1202_cifar10": UNCLOSED,
        "pytorchcv:sepreresnet164bn_cifar10": UNCLOSED,
        "pytorchcv:sepreresnet272bn_cifar10": UNCLOSED,
        "pytorchcv:sepreresnet542bn_cifar10": UNCLOSED,
        "pytorchcv:sepreresnet1001_cifar10": UNCLOSED,
    },
)
