"""ResNet for ImageNet: He et al. 2015, Table 1 (arXiv 1512.03385).

The stride stands in the 3x3, as in fb.resnet.torch and torchvision. The authors' own Caffe networks have the
stride in the first 1x1: `.but(stride_at=0)`.
"""

from cardinet.networks.family import family
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.residual import Residual

resnet18 = Residual(depths=(2, 2, 2, 2))
resnet34 = resnet18.but(depths=(3, 4, 6, 3))
resnet50 = Residual(depths=(3, 4, 6, 3), transform=BOTTLENECK)
resnet101 = resnet50.but(depths=(3, 4, 23, 3))
resnet152 = resnet50.but(depths=(3, 8, 36, 3))

DEPTHS = {
    26: (2, 2, 2, 2),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
    269: (3, 30, 48, 8),
}
RESNET_C = {"stem": Stem(layout="deep", width=32)}
RESNET_D = {**RESNET_C, "project": "avg conv bn"}
"""Deltas of He et al. 2018, Section 4 (arXiv 1812.01187): three 3x3 in the stem; D averages before projections too."""

FAMILY = family(
    "ResNet",
    paper="arXiv 1512.03385",
    input_size=224,
    rows={
        "resnet18": resnet18,
        "resnet34": resnet34,
        "resnet50": resnet50,
        "resnet101": resnet101,
        "resnet152": resnet152,
        "resnet200_postact": resnet50.but(depths=(3, 24, 36, 3)),
        "plain18": resnet18.but(kind="none"),
        "plain34": resnet34.but(kind="none"),
    },
    readings=dict.fromkeys(
        ("resnet50", "resnet101", "resnet152", "resnet200_postact"),
        "the stride stands in the 3x3, as in fb.resnet.torch; the authors' Caffe networks have it in the first 1x1 "
        "(stride_at = 0), with the same parameters and fewer MACs.",
    ),
    peers={
        **{f"{library}:resnet{n}": f"resnet{n}" for library in ("torchvision", "timm") for n in (18, 34, 50, 101, 152)},
        "timm:resnet200": "resnet200_postact",
        "timm:resnet26": resnet50.but(depths=DEPTHS[26]),
        "timm:resnet18d": resnet18.but(**RESNET_D),
        "timm:resnet34d": resnet34.but(**RESNET_D),
        **{f"timm:resnet{n}d": resnet50.but(depths=DEPTHS[n], **RESNET_D) for n in (26, 50, 101, 152, 200)},
        **{f"timm:resnet{n}c": resnet50.but(depths=DEPTHS[n], **RESNET_C) for n in (50, 101, 152)},
        **{f"timm:resnet{n}s": resnet50.but(depths=DEPTHS[n], stem=Stem(layout="deep")) for n in (50, 101, 152)},
        **{f"pytorchcv:resnet{n}": f"resnet{n}" for n in (18, 34)},
        **{f"pytorchcv:resnet{n}b": f"resnet{n}" for n in (50, 101, 152)},
        "pytorchcv:resnet200b": "resnet200_postact",
        **{f"pytorchcv:resnet{n}": resnet50.but(depths=DEPTHS[n], stride_at=0) for n in (50, 101, 152, 200)},
        "pytorchcv:resneta18": resnet18.but(**RESNET_D),
        **{f"pytorchcv:resneta{n}b": resnet50.but(depths=DEPTHS[n], **RESNET_D) for n in (50, 101, 152)},
    },
    refused={
        f"pytorchcv:resnetd{n}b": "its last two stages are dilated (stride 8), and convolutions here are not."
        for n in (50, 101, 152)
    },
    lookalikes={
        "timm:resnetblur18": "resnet18",
        "timm:resnetaa34d": "timm:resnet34d",
        **{f"timm:resnet{how}50": "resnet50" for how in ("aa", "blur")},
        **{f"timm:resnet{how}{n}d": f"timm:resnet{n}d" for how in ("aa", "blur") for n in (50, 101)},
    },
)
