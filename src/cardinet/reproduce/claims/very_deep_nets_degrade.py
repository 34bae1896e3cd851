"""Very deep residual networks degrade: He et al. 2015, Table 6 (arXiv 1512.03385)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

DEEP, VERY_DEEP = "deep", "very deep"
UNITS: dict[ScaleName, tuple[int, int]] = {"minutes": (9, 27), "hour": (5, 18), "gpu": (18, 100)}
"""The units of each stage of both networks: 56 and 164, 32 and 110, 110 and 602 layers."""


def arms(scale: ScaleName) -> Arms:
    return {
        name: Arm(network="resnet56_cifar", delta={} if units == 9 else {"depths": (units,) * 3})
        for name, units in zip((DEEP, VERY_DEEP), UNITS[scale], strict=True)
    }


CLAIM = Claim(
    id="very-deep-nets-degrade",
    chapter="Depth",
    statement="A residual network errs more again if it is made very deep.",
    paper="arXiv 1512.03385, Table 6",
    printed=(Printed("CIFAR-10: 110 and 1202 layers", "6.43 %, 7.93 %", "printed"),),
    experiment="Residual networks of 56 and 164 layers (minutes), 32 and 110 (hour), 110 and 602 (gpu).",
    rule=Less(DEEP, VERY_DEEP),
    arms=arms,
    minutes={"minutes": 4, "hour": 120, "gpu": 240},
    remarks=(
        "The 1202 layers of the paper take hours for each seed on one GPU; 602 layers stand in for them.",
        "Another paper prints 6.41 % and 6.67 % for the same two depths (arXiv 1603.09382).",
    ),
)
