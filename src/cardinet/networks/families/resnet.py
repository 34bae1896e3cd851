"""ResNet for ImageNet: He et al. 2015, Table 1 (arXiv 1512.03385).

The 3x3 has the stride, as in fb.resnet.torch and torchvision. In the authors' own Caffe networks the first 1x1 has
it: `.but(stride_at=0)`.
"""

from functools import partial

from cardinet.networks.family import family, row
from cardinet.networks.parts.stem import Stem
from cardinet.networks.parts.transform import BOTTLENECK
from cardinet.networks.residual import Residual

resnet18 = Residual(depths=(2, 2, 2, 2))
resnet34 = resnet18.but(depths=(3, 4, 6, 3))
resnet26 = resnet18.but(transform=BOTTLENECK)
resnet50 = resnet34.but(transform=BOTTLENECK)
resnet101 = resnet50.but(depths=(3, 4, 23, 3))
resnet152 = resnet50.but(depths=(3, 8, 36, 3))
resnet200 = resnet50.but(depths=(3, 24, 36, 3))
resnet269 = resnet50.but(depths=(3, 30, 48, 8))

RESNET_C = {"stem": Stem(layout="deep", width=32)}
RESNET_D = {**RESNET_C, "project": "avg conv bn"}
"""Deltas of He et al. 2018, Section 4 (arXiv 1812.01187): three 3x3 in the stem; D averages before projections too."""
RESNET_S = {"stem": Stem(layout="deep")}

in_3x3 = partial(
    row,
    reading="The 3x3 convolution has the stride, as in fb.resnet.torch. In the authors' Caffe networks the first "
    "1x1 has it (stride_at = 0), with the same parameters and fewer MACs.",
)
DILATED = "its last two stages are dilated (stride 8), which is not available here."

FAMILY = family(
    "ResNet",
    paper="arXiv 1512.03385",
    input_size=224,
    rows={
        "resnet18": row(
            resnet18, "torchvision:resnet18", "timm:resnet18", "pytorchcv:resnet18", lookalikes=("timm:resnetblur18",)
        ),
        "resnet34": row(resnet34, "torchvision:resnet34", "timm:resnet34", "pytorchcv:resnet34"),
        "resnet50": in_3x3(
            resnet50,
            "torchvision:resnet50",
            "timm:resnet50",
            "pytorchcv:resnet50b",
            lookalikes=("timm:resnetaa50", "timm:resnetblur50"),
        ),
        "resnet101": in_3x3(resnet101, "torchvision:resnet101", "timm:resnet101", "pytorchcv:resnet101b"),
        "resnet152": in_3x3(resnet152, "torchvision:resnet152", "timm:resnet152", "pytorchcv:resnet152b"),
        "resnet200_postact": in_3x3(resnet200, "timm:resnet200", "pytorchcv:resnet200b"),
        "plain18": resnet18.but(kind="none"),
        "plain34": resnet34.but(kind="none"),
    },
    variants={
        "timm:resnet26": resnet26,
        "timm:resnet18d": row(resnet18.but(**RESNET_D), "pytorchcv:resneta18"),
        "timm:resnet34d": row(resnet34.but(**RESNET_D), lookalikes=("timm:resnetaa34d",)),
        "timm:resnet26d": resnet26.but(**RESNET_D),
        "timm:resnet50d": row(
            resnet50.but(**RESNET_D), "pytorchcv:resneta50b", lookalikes=("timm:resnetaa50d", "timm:resnetblur50d")
        ),
        "timm:resnet101d": row(
            resnet101.but(**RESNET_D), "pytorchcv:resneta101b", lookalikes=("timm:resnetaa101d", "timm:resnetblur101d")
        ),
        "timm:resnet152d": row(resnet152.but(**RESNET_D), "pytorchcv:resneta152b"),
        "timm:resnet200d": resnet200.but(**RESNET_D),
        "timm:resnet50c": resnet50.but(**RESNET_C),
        "timm:resnet101c": resnet101.but(**RESNET_C),
        "timm:resnet152c": resnet152.but(**RESNET_C),
        "timm:resnet50s": resnet50.but(**RESNET_S),
        "timm:resnet101s": resnet101.but(**RESNET_S),
        "timm:resnet152s": resnet152.but(**RESNET_S),
        "pytorchcv:resnet50": resnet50.but(stride_at=0),
        "pytorchcv:resnet101": resnet101.but(stride_at=0),
        "pytorchcv:resnet152": resnet152.but(stride_at=0),
        "pytorchcv:resnet200": resnet200.but(stride_at=0),
    },
    refused={"pytorchcv:resnetd50b": DILATED, "pytorchcv:resnetd101b": DILATED, "pytorchcv:resnetd152b": DILATED},
)
