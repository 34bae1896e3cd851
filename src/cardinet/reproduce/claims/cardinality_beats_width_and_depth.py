"""More cardinality helps more than more width or depth: Xie et al. 2016, Tables 3 and 4 (arXiv 1611.05431)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import All, Less
from cardinet.reproduce.scales import ScaleName

CARDINALITY, WIDTH, DEPTH = "more cardinality", "more width", "more depth"


def arms(scale: ScaleName) -> Arms:
    """Three networks of equal MACs within 4 %, each about twice those of the base 1x16d."""
    depth = 1 if scale == "minutes" else 2
    base = {"depths": (depth,) * 3}
    return {
        CARDINALITY: Arm(network="resnext29_1x64d", delta=base | {"cardinality": 16, "base_width": 4}),
        WIDTH: Arm(network="resnext29_1x64d", delta=base | {"base_width": 42 if scale == "minutes" else 41}),
        DEPTH: Arm(network="resnext29_1x64d", delta={"depths": (4 if depth == 1 else 7,) * 3, "base_width": 16}),
    }


CLAIM = Claim(
    id="cardinality-beats-width-and-depth",
    chapter="Cardinality",
    statement="At equal MACs, more cardinality reduces the error more than more width or more depth.",
    paper="arXiv 1611.05431, Tables 3 and 4",
    printed=(
        Printed("50 layers: 1x64d, 2x40d, 4x24d, 8x14d, 32x4d", "23.9, 23.0, 22.6, 22.3, 22.2 %", "printed"),
        Printed("at twice the cost of ResNet-101: deeper, wider, 2x64d, 64x4d", "21.7, 21.3, 20.7, 20.4 %", "printed"),
    ),
    experiment="Three networks of equal MACs: one with more transforms, one wider, one deeper.",
    rule=All((Less(CARDINALITY, WIDTH), Less(CARDINALITY, DEPTH))),
    arms=arms,
    minutes={"minutes": 4, "hour": 90, "gpu": 60},
    remarks=("The MACs of the three networks differ by at most 4 %.",),
)
