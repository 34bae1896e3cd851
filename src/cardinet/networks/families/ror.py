"""Residual Networks of Residual Networks, RoR-3: Zhang et al. 2016 (arXiv 1608.02908).

Three levels of shortcuts: around the network, around each stage, around each unit. Depth 6n + 8 on CIFAR.
"""

from cardinet.networks.families.resnet_cifar import resnet20
from cardinet.networks.families.resnet_v2 import preact20
from cardinet.networks.families.wide_resnet import wrn
from cardinet.networks.family import family
from cardinet.networks.parts.levels import Levels
from cardinet.networks.parts.merge import StochasticDepth
from cardinet.networks.residual import Residual


def ror3(depth: int) -> Residual:
    """RoR-3 of a depth in the reading whose counts are known."""
    n = (depth - 8) // 6
    return resnet20.but(depths=(n, n, n), kind="B", levels=Levels(shrink="max"))


PROJECTIONS = "projections (1x1, BN) at all three levels, 2x2 max pools between the stages, depth 6n + 8."
STRIDED = "level shortcuts are projections (1x1, BN), units stride as in the base network; the source gives no layers."

FAMILY = family(
    "RoR",
    paper="arXiv 1608.02908",
    input_size=32,
    rows={
        **{f"ror3_{depth}": ror3(depth) for depth in (56, 110, 164)},
        "ror3_164_sd": ror3(164).but(merge=StochasticDepth()),
        "pre_ror3_164_sd": preact20.but(depths=(26, 26, 26), levels=Levels(), merge=StochasticDepth()),
        "ror3_wrn40_4_sd": wrn(40, 4).but(levels=Levels(), merge=StochasticDepth()),
        "ror3_wrn58_4_sd": wrn(58, 4).but(levels=Levels(), merge=StochasticDepth()),
    },
    readings={
        **dict.fromkeys(("ror3_56", "ror3_110", "ror3_164", "ror3_164_sd"), PROJECTIONS),
        "pre_ror3_164_sd": f"{STRIDED} 26 units a stage, as ror3_164 has.",
        "ror3_wrn40_4_sd": STRIDED,
        "ror3_wrn58_4_sd": f"{STRIDED} The printed 13.3 M is less than WRN-58-4 has alone, 13,599,450.",
    },
    peers={f"pytorchcv:ror3_{depth}_cifar10": f"ror3_{depth}" for depth in (56, 110, 164)},
)
