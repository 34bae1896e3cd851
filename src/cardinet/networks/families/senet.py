"""Squeeze-and-Excitation networks: Hu et al. 2017 (arXiv 1709.01507); layers as in the authors' prototxt files.

SE-ResNet has its stride in the first 1x1, SE-ResNeXt in the 3x3; timm's `seresnet*` in the 3x3 everywhere.
"""

from cardinet.networks.families.resnet import DEPTHS, RESNET_D, resnet18, resnet34, resnet50
from cardinet.networks.families.resnet_cifar import BASIC_DEPTHS, BOTTLENECK_DEPTHS, resnet20
from cardinet.networks.families.resnet_v2 import STRIDE_FIRST, preresnet18, preresnet50
from cardinet.networks.families.wide_resnet import wrn
from cardinet.networks.family import family
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.residual import Residual

SE = SqueezeExcite(reduction=16)

se_caffe = resnet50.but(gate=SE, stem=Stem(pool="ceil"))
seresnet18 = resnet18.but(gate=SE, stem=Stem(pool="ceil"))


def seresnext(depth: int, cardinality: int, base_width: int) -> Residual:
    """SE-ResNeXt of a depth."""
    return se_caffe.but(depths=DEPTHS[depth], cardinality=cardinality, base_width=base_width)


se_resnet50 = resnet50.but(gate=SE)
senet154 = seresnext(152, 64, 4).but(
    narrow_first=0.5, project="conv3 bn", stem=Stem(layout="deep", pool="ceil"), head_dropout=0.2
)

FAMILY = family(
    "SENet",
    paper="arXiv 1709.01507",
    input_size=224,
    rows={
        "seresnet18": seresnet18,
        "seresnet34": seresnet18.but(depths=(3, 4, 6, 3)),
        **{f"seresnet{n}": se_caffe.but(depths=DEPTHS[n], stride_at=0) for n in (50, 101, 152)},
        "seresnext50_32x4d": seresnext(50, 32, 4),
        "seresnext101_32x4d": seresnext(101, 32, 4),
        "seresnext101_64x4d": seresnext(101, 64, 4),
        "senet154": senet154,
    },
    peers={
        "timm:legacy_seresnet18": seresnet18.but(last="bn relu"),
        "timm:legacy_seresnet34": seresnet18.but(depths=DEPTHS[50], last="bn relu"),
        **{f"timm:legacy_seresnet{n}": f"seresnet{n}" for n in (50, 101, 152)},
        **{f"timm:legacy_seresnext{n}_32x4d": f"seresnext{n}_32x4d" for n in (50, 101)},
        "timm:legacy_senet154": "senet154",
        "timm:legacy_seresnext26_32x4d": seresnext(26, 32, 4),
        **{f"timm:seresnet{n}": se_resnet50.but(depths=DEPTHS[n]) for n in (50, 101, 152)},
        **{f"timm:seresnet{n}d": se_resnet50.but(depths=DEPTHS[n], **RESNET_D) for n in (152, 200, 269)},
        **{
            f"{library}:seresnext{n}_{c}x{d}d": se_resnet50.but(depths=DEPTHS[n], cardinality=c, base_width=d)
            for library in ("timm", "pytorchcv")
            for n, c, d in ((50, 32, 4), (101, 32, 4), (101, 64, 4))
        },
        "timm:seresnext101_32x8d": se_resnet50.but(depths=DEPTHS[101], cardinality=32, base_width=8),
        "timm:seresnext26d_32x4d": se_resnet50.but(depths=DEPTHS[26], cardinality=32, base_width=4, **RESNET_D),
        "timm:seresnext101d_32x8d": se_resnet50.but(depths=DEPTHS[101], cardinality=32, base_width=8, **RESNET_D),
        "timm:senet154": senet154.but(pool="pad", head_dropout=0),
        "pytorchcv:senet154": senet154.but(pool="pad"),
        **{
            f"pytorchcv:senet{3 * sum(depths) + 4}": senet154.but(pool="pad", depths=depths, cardinality=32)
            for depths in ((1, 1, 1, 1), DEPTHS[26], (3, 3, 3, 3), DEPTHS[50], DEPTHS[101])
        },
        "pytorchcv:seresnet18": resnet18.but(gate=SE),
        "pytorchcv:seresnet34": resnet34.but(gate=SE),
        "pytorchcv:sepreresnet18": preresnet18.but(gate=SE),
        "pytorchcv:sepreresnet34": preresnet18.but(depths=DEPTHS[50], gate=SE),
        **{
            f"pytorchcv:se{kind}{n}{b}": base.but(depths=DEPTHS[n], gate=SE, stride_at=at)
            for kind, base in (("resnet", resnet50), ("preresnet", preresnet50))
            for n in (50, 101, 152, 200)
            for b, at in (("", 0), ("b", 1))
        },
    },
    readings=dict.fromkeys(
        ("seresnet18", "seresnet34"),
        "the gate follows the last BN, as in the paper; timm's legacy networks of that name have a ReLU between them.",
    ),
    refused={
        f"timm:seresnet{n}": "its gates have at least 8 units: 8 for 64 channels, where reduction 16 gives 4."
        for n in (18, 34)
    },
    lookalikes={"timm:seresnextaa101d_32x8d": "timm:seresnext101d_32x8d"},
)
CIFAR = family(
    "SENet",
    paper="arXiv 1709.01507",
    input_size=32,
    rows={
        "se_resnet_110_cifar": resnet20.but(depths=(18, 18, 18), gate=SE),
        "se_resnet_164_cifar": resnet20.but(depths=(18, 18, 18), transform=STRIDE_FIRST, kind="B", gate=SE),
        "se_wrn_16_8_cifar": wrn(16, 8).but(gate=SE),
    },
    peers={
        **{
            f"pytorchcv:seresnet{n}_cifar10": resnet20.but(depths=depths, kind="B", gate=SE)
            for n, depths in BASIC_DEPTHS.items()
        },
        **{
            f"pytorchcv:seresnet{n}_cifar10": resnet20.but(depths=depths, transform=BOTTLENECK, kind="B", gate=SE)
            for n, depths in BOTTLENECK_DEPTHS.items()
        },
    },
    refused={
        f"pytorchcv:sepreresnet{n}_cifar10": "it has no BN and ReLU after its last unit, where the paper's have both."
        for n in (*BASIC_DEPTHS, *BOTTLENECK_DEPTHS)
    },
    readings=dict.fromkeys(
        ("se_resnet_110_cifar", "se_resnet_164_cifar", "se_wrn_16_8_cifar"),
        "reduction 16 as on ImageNet, so 1 unit for 16 channels; the paper gives no width for CIFAR.",
    ),
)
