"""Wide ResNet for ImageNet: Zagoruyko and Komodakis 2016 (arXiv 1605.07146); bottlenecks of twice the base width."""

from cardinet.networks.family import family
from cardinet.networks.resnet import resnet50

wrn50_2 = resnet50.but(base_width=128)

FAMILY = family(
    "WideResNet",
    paper="arXiv 1605.07146",
    input_size=224,
    rows={"wrn50_2": wrn50_2, "wrn101_2": wrn50_2.but(depths=(3, 4, 23, 3))},
    peers={f"{library}:wide_resnet{n}_2": f"wrn{n}_2" for library in ("torchvision", "timm") for n in (50, 101)},
)
