"""Stochastic depth lets deep networks train better: Huang et al. 2016 (arXiv 1603.09382)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

CONSTANT, STOCHASTIC = "constant depth", "stochastic depth"


def arms(scale: ScaleName) -> Arms:
    network = "resnet56_cifar" if scale == "minutes" else "resnet110_cifar"
    return {
        CONSTANT: Arm(network=network),
        STOCHASTIC: Arm(network=network, delta={"merge": "StochasticDepth()"}),
    }


CLAIM = Claim(
    id="stochastic-depth-mends",
    chapter="Depth",
    statement="A very deep network errs less when whole units are dropped at random in training.",
    paper="arXiv 1603.09382",
    printed=(
        Printed("110 layers: ResNet in its own paper, stochastic depth", "6.43 %, 5.25 %", "printed"),
        Printed("1202 layers, constant and stochastic depth", "7.93 %, 4.91 %", "printed"),
    ),
    experiment="The same deep network with and without stochastic depth (linear, last survival 0.5).",
    rule=Less(STOCHASTIC, CONSTANT),
    arms=arms,
    minutes={"minutes": 3, "hour": 180, "gpu": 180},
)
