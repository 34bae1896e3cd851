"""The order of BN, ReLU and convolution in a unit: He et al. 2016 (arXiv 1603.05027)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import All, Less
from cardinet.reproduce.scales import ScaleName


def arms(scale: ScaleName) -> Arms:
    network = "resnet110_cifar" if scale == "gpu" else "resnet56_cifar"
    return {order: Arm(network=network, delta={"order": order}) for order in "abcde"}


CLAIM = Claim(
    id="unit-orders",
    chapter="Residual networks",
    statement="Full pre-activation (e) errs less than BN after the sum (b) and ReLU before the sum (c).",
    paper="arXiv 1603.05027",
    printed=(
        Printed("ResNet-110, orders a to e", "6.61, 8.17, 7.84, 6.71, 6.37 %", "printed"),
        Printed("ResNet-164, orders a to e", "5.93, 6.50, 6.14, 5.91, 5.46 %", "printed"),
    ),
    experiment="The same network with each of the five orders of a unit.",
    rule=All((Less("e", "b"), Less("e", "c"))),
    arms=arms,
    minutes={"minutes": 5, "hour": 240, "gpu": 150},
    seeds={"minutes": 3},
)
