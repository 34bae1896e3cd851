"""Plain networks degrade with depth, residual ones do not: He et al. 2015 (arXiv 1512.03385)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import All, Less
from cardinet.reproduce.scales import ScaleName

PLAIN, DEEP_PLAIN, RESIDUAL, DEEP_RESIDUAL = "plain 20", "plain 56", "residual 20", "residual 56"


def arms(scale: ScaleName) -> Arms:
    return {
        PLAIN: Arm(network="plain20_cifar"),
        DEEP_PLAIN: Arm(network="plain56_cifar"),
        RESIDUAL: Arm(network="resnet20_cifar"),
        DEEP_RESIDUAL: Arm(network="resnet56_cifar"),
    }


CLAIM = Claim(
    id="plain-nets-degrade",
    chapter="Residual networks",
    statement="A deeper plain network errs more than a shallow one; a deeper residual network does not.",
    paper="arXiv 1512.03385",
    printed=(
        Printed("ImageNet, 10-crop: plain 34, residual 34 (option A)", "28.54 %, 25.03 %", "printed"),
        Printed("CIFAR-10: residual 20 and 56", "8.75, 6.97 %", "printed"),
    ),
    experiment="20 and 56 layers, with and without shortcuts.",
    rule=All((Less(PLAIN, DEEP_PLAIN), Less(DEEP_RESIDUAL, RESIDUAL, by=-0.02))),
    arms=arms,
    axis="layers",
    places={
        PLAIN: ("plain", 20),
        DEEP_PLAIN: ("plain", 56),
        RESIDUAL: ("residual", 20),
        DEEP_RESIDUAL: ("residual", 56),
    },
    minutes={"minutes": 4, "hour": 120, "gpu": 120},
    remarks=(
        "The deep residual network may err by up to 2 points more: the claim is that it does not degrade.",
        "The author of the rule has seen a trial at the scale minutes; the rule has stayed as it was before.",
    ),
)
