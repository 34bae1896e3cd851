"""More fusions, better networks: Zhao et al. 2016 (arXiv 1611.07718, first version)."""

from cardinet.networks.families.deeply_fused import DeeplyFused, fuse
from cardinet.networks.registry import find
from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import All, Less
from cardinet.reproduce.scales import ScaleName

PLAIN, THREE, SIX, RESNET = "plain", "3 fusions", "6 fusions", "a fusion in each of 12 blocks"


def arms(scale: ScaleName) -> Arms:
    return {
        PLAIN: Arm(network=find("fusenet_plain26").spec),
        THREE: Arm(network=fuse(26, 3)),
        SIX: Arm(network=fuse(26, 6)),
        RESNET: Arm(network=DeeplyFused(depths=(4, 4, 4))),
    }


CLAIM = Claim(
    id="more-fusions-are-better",
    chapter="Fusion",
    statement="The more fusions a network of one depth has, the less it errs.",
    paper="arXiv 1611.07718, version 1",
    printed=(Printed("plain, 2^3, 2^6 base nets, ResNet", "the order, without figures", "second hand"),),
    experiment="26 layers: plain, with 3 and 6 fusions, and a fusion in each block of two layers.",
    rule=All((Less(THREE, PLAIN), Less(RESNET, PLAIN), Less(SIX, PLAIN))),
    arms=arms,
    axis="fusions",
    places={PLAIN: ("26 layers", 0), THREE: ("26 layers", 3), SIX: ("26 layers", 6), RESNET: ("26 layers", 12)},
    minutes={"minutes": 2, "hour": 120, "gpu": 60},
    remarks=(
        "The strict order of the fused networks is drawn, and not part of the rule.",
        "The fused networks have 7 % more parameters than the plain one: the convolutions of their shallow lines.",
    ),
)
