"""Stochastic depth: Huang et al. 2016 (arXiv 1603.09382): a merge that closes units in training."""

from functools import partial

from cardinet.networks.families.resnet import resnet152
from cardinet.networks.families.resnet_cifar import resnet20
from cardinet.networks.family import family, row
from cardinet.networks.parts.merge import StochasticDepth

sd20 = resnet20.but(sample="avg", merge=StochasticDepth(), init_fan="fan_in")

without_biases = partial(
    row, reading="Without the convolution biases of the author's Torch code (conv_bias = true adds them)."
)

CIFAR = family(
    "StochasticDepth",
    paper="arXiv 1603.09382",
    input_size=32,
    rows={
        "sd110_cifar": without_biases(sd20.but(depths=(18, 18, 18))),
        "sd1202_cifar": without_biases(sd20.but(depths=(200, 200, 200))),
        "sd152_svhn": row(
            sd20.but(depths=(25, 25, 25), conv_bias=True),
            reading="With the convolution biases of the author's Torch code.",
        ),
    },
    variants={"pytorchcv:resdropresnet20_cifar10": resnet20.but(kind="B", merge=StochasticDepth(rescale="train"))},
)
FAMILY = family(
    "StochasticDepth",
    paper="arXiv 1603.09382",
    input_size=224,
    rows={"sd152_imagenet": resnet152.but(merge=StochasticDepth())},
)
