"""ResNeXt-50 comes near ResNet-101: Xie et al. 2016, Table 3 (arXiv 1611.05431)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

SHALLOW, DEEP = "ResNeXt", "ResNet, twice as deep"


def arms(scale: ScaleName) -> Arms:
    depth = 1 if scale == "minutes" else 3
    resnext = {"depths": (depth,) * 3, "cardinality": 8, "base_width": 14}
    return {
        SHALLOW: Arm(network="resnext29_1x64d", delta=resnext),
        DEEP: Arm(network="resnext29_1x64d", delta={"depths": (2 * depth,) * 3}),
    }


CLAIM = Claim(
    id="half-the-cost",
    chapter="Cardinality",
    statement="A ResNeXt comes near a ResNet that is twice as deep, at little more than half of its MACs.",
    paper="arXiv 1611.05431, Table 3",
    printed=(Printed("ResNeXt-50 32x4d, ResNet-101", "22.2 %, 22.0 %", "printed"),),
    experiment="A ResNeXt 8x14d against a ResNet 1x64d of twice the units.",
    rule=Less(SHALLOW, DEEP, by=-0.015),
    arms=arms,
    minutes={"minutes": 4, "hour": 120, "gpu": 120},
    remarks=(
        "The printed figures differ by 0.2 points at 54 % of the MACs: it comes near.",
        "The ResNeXt here has 64 % of the MACs at the scale minutes, and 56 % at the others.",
    ),
)
