"""Selective Kernel Networks: Li et al. 2019 (arXiv 1903.06586): ResNeXt 32x4d whose 3x3 selects between two kernels."""

from cardinet.networks.families.resnet import resnet50
from cardinet.networks.families.resnext import resnext29
from cardinet.networks.family import family, row
from cardinet.networks.parts.spatial import SelectiveKernel

sknet50 = resnet50.but(base_width=4, spatial=SelectiveKernel())

SMALL_KERNELS = ((3, 1), (1, 1))
SPLIT_INPUT = "it splits the input of each selective kernel between the paths, which no paper does."

FAMILY = family(
    "SKNet",
    paper="arXiv 1903.06586",
    input_size=224,
    rows={
        "sknet26": sknet50.but(depths=(2, 2, 2, 2)),
        "sknet50": row(sknet50, "timm:skresnext50_32x4d", "pytorchcv:sknet50"),
        "sknet101": row(
            sknet50.but(depths=(3, 4, 23, 3)),
            "pytorchcv:sknet101",
            reading="At least 32 hidden units, the paper's rule. The released file has 16 in stage 2 (48,686,760 "
            "parameters).",
        ),
    },
    variants={"pytorchcv:sknet152": sknet50.but(depths=(3, 8, 36, 3))},
    refused={
        "timm:skresnet18": SPLIT_INPUT,
        "timm:skresnet34": SPLIT_INPUT,
        "timm:skresnet50": SPLIT_INPUT,
        "timm:skresnet50d": SPLIT_INPUT,
    },
)
CIFAR = family(
    "SKNet",
    paper="arXiv 1903.06586",
    input_size=32,
    rows={
        "sknet29_cifar": row(
            resnext29.but(
                base_width=32, spatial=SelectiveKernel(cardinality=16, kernels=((3, 1), (1, 1)), reduction=32)
            ),
            reading="Kernels 3x3 and 1x1 and reduction 32, from memory. This count is near the published 27.7 M.",
        )
    },
)
