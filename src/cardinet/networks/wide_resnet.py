"""Wide ResNet for ImageNet: Zagoruyko and Komodakis 2016 (arXiv 1605.07146); bottlenecks of twice the base width."""

from cardinet.networks.family import family
from cardinet.networks.resnet import resnet50

wrn50_2 = resnet50.but(base_width=128)

FAMILY = family(
    "WideResNet",
    paper="arXiv 1605.07146",
    input_size=224,
    rows={"wrn50_2": wrn50_2, "wrn101_2": wrn50_2.but(depths=(3, 4, 23, 3))},
    aliases={"wide_resnet50_2": "wrn50_2", "wide_resnet101_2": "wrn101_2"},  # torchvision, timm
)
