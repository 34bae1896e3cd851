"""Selective Kernel Networks: Li et al. 2019 (arXiv 1903.06586): ResNeXt 32x4d whose 3x3 selects between two kernels."""

from cardinet.networks.families.resnet import resnet50
from cardinet.networks.families.resnext import resnext29
from cardinet.networks.family import family
from cardinet.networks.parts.spatial import SelectiveKernel

sknet50 = resnet50.but(base_width=4, spatial=SelectiveKernel())

FAMILY = family(
    "SKNet",
    paper="arXiv 1903.06586",
    input_size=224,
    rows={
        "sknet26": sknet50.but(depths=(2, 2, 2, 2)),
        "sknet50": sknet50,
        "sknet101": sknet50.but(depths=(3, 4, 23, 3)),
    },
    readings={
        "sknet101": "at least 32 units, the paper's rule; the released file has 16 in stage 2 (48,686,760).",
    },
    peers={
        "timm:skresnext50_32x4d": "sknet50",
        **{f"pytorchcv:sknet{n}": f"sknet{n}" for n in (50, 101)},
        "pytorchcv:sknet152": sknet50.but(depths=(3, 8, 36, 3)),
    },
    refused={
        f"timm:skresnet{n}": "it splits the input of each selective kernel between the paths, which no paper has."
        for n in ("18", "34", "50", "50d")
    },
)
CIFAR = family(
    "SKNet",
    paper="arXiv 1903.06586",
    input_size=32,
    rows={
        "sknet29_cifar": resnext29.but(
            base_width=32, spatial=SelectiveKernel(cardinality=16, kernels=((3, 1), (1, 1)), reduction=32)
        )
    },
    readings={
        "sknet29_cifar": "kernels 3x3 and 1x1, reduction 32, from memory: this count is near the printed 27.7 M."
    },
)
