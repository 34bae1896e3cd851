"""Cardinality at equal cost: Xie et al. 2016, Table 3 (arXiv 1611.05431)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

ONE, MANY = "1x64d", "32x4d"
WIDTHS = {ONE: (1, 64), "2x40d": (2, 40), "4x24d": (4, 24), "8x14d": (8, 14), MANY: (32, 4)}
"""The cardinality and the base width of each network."""


def arms(scale: ScaleName) -> Arms:
    depth = 3 if scale == "gpu" else 1
    return {
        name: Arm(
            network="resnext29_1x64d",
            delta={"depths": (depth,) * 3, "cardinality": cardinality, "base_width": width},
        )
        for name, (cardinality, width) in WIDTHS.items()
    }


CLAIM = Claim(
    id="cardinality-at-equal-cost",
    chapter="Cardinality",
    statement="At equal MACs the error falls as the cardinality grows from 1 to 32.",
    paper="arXiv 1611.05431, Table 3",
    printed=(
        Printed("50 layers: 1x64d, 2x40d, 4x24d, 8x14d, 32x4d", "23.9, 23.0, 22.6, 22.3, 22.2 %", "printed"),
        Printed("101 layers: the same", "22.0, 21.7, 21.4, 21.3, 21.2 %", "printed"),
    ),
    experiment="Five networks of the same MACs within 7 %, from one wide transform to 32 narrow ones.",
    rule=Less(MANY, ONE),
    arms=arms,
    axis="cardinality",
    places={name: ("equal MACs", cardinality) for name, (cardinality, _) in WIDTHS.items()},
    minutes={"minutes": 5, "hour": 120, "gpu": 150},
    remarks=("The rule compares the first and the last; those between are drawn, and not part of it.",),
)
