"""Residual Networks of Residual Networks, RoR-3: Zhang et al. 2016 (arXiv 1608.02908).

Three levels of shortcuts: around the network, around each stage, around each unit. Depth 6n + 8 on CIFAR.
"""

from cardinet.networks.families.resnet_cifar import resnet20
from cardinet.networks.families.resnet_v2 import preact20
from cardinet.networks.families.wide_resnet import wrn
from cardinet.networks.family import family, row
from cardinet.networks.parts.levels import Levels
from cardinet.networks.parts.merge import StochasticDepth
from cardinet.networks.residual import Residual


def ror3(depth: int) -> Residual:
    """RoR-3 of a depth, with the layers that give the known parameter counts."""
    n = (depth - 8) // 6
    return resnet20.but(depths=(n, n, n), kind="B", levels=Levels(shrink="max"))


PROJECTIONS = "Projections (1x1, BN) at all three levels, 2x2 max pools between the stages, depth 6n + 8."
STRIDED = (
    "Level shortcuts are projections (1x1, BN). Strides are those of the base network. The source lists no layers."
)

FAMILY = family(
    "RoR",
    paper="arXiv 1608.02908",
    input_size=32,
    rows={
        "ror3_56": row(ror3(56), "pytorchcv:ror3_56_cifar10", reading=PROJECTIONS),
        "ror3_110": row(ror3(110), "pytorchcv:ror3_110_cifar10", reading=PROJECTIONS),
        "ror3_164": row(ror3(164), "pytorchcv:ror3_164_cifar10", reading=PROJECTIONS),
        "ror3_164_sd": row(ror3(164).but(merge=StochasticDepth()), reading=PROJECTIONS),
        "pre_ror3_164_sd": row(
            preact20.but(depths=(26, 26, 26), levels=Levels(), merge=StochasticDepth()),
            reading=f"{STRIDED} There are 26 units per stage, as in ror3_164.",
        ),
        "ror3_wrn40_4_sd": row(wrn(40, 4).but(levels=Levels(), merge=StochasticDepth()), reading=STRIDED),
        "ror3_wrn58_4_sd": row(
            wrn(58, 4).but(levels=Levels(), merge=StochasticDepth()),
            reading=f"{STRIDED} The published 13.3 M is less than the 13,599,450 of WRN-58-4 alone.",
        ),
    },
)
