"""ResNet for ImageNet: He et al. 2015, Table 1 (arXiv 1512.03385).

The stride stands in the 3x3, as in fb.resnet.torch and torchvision. The authors' own Caffe networks have the
stride in the first 1x1: `.but(stride_at=0)`.
"""

from cardinet.networks.family import family
from cardinet.networks.residual import BOTTLENECK, Residual

resnet18 = Residual(depths=(2, 2, 2, 2))
resnet50 = Residual(depths=(3, 4, 6, 3), transform=BOTTLENECK)
resnet101 = resnet50.but(depths=(3, 4, 23, 3))
resnet152 = resnet50.but(depths=(3, 8, 36, 3))

FAMILY = family(
    "ResNet",
    paper="arXiv 1512.03385",
    input_size=224,
    rows={
        "resnet18": resnet18,
        "resnet34": resnet18.but(depths=(3, 4, 6, 3)),
        "resnet50": resnet50,
        "resnet101": resnet101,
        "resnet152": resnet152,
        "resnet200_postact": resnet50.but(depths=(3, 24, 36, 3)),
    },
    peers={f"{library}:resnet{n}": f"resnet{n}" for library in ("torchvision", "timm") for n in (18, 34, 50, 101, 152)}
    | {"timm:resnet200": "resnet200_postact"},
)
