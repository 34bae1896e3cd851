"""Stochastic depth lets deep networks train better: Huang et al. 2016 (arXiv 1603.09382)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

CONSTANT, STOCHASTIC = "constant depth", "stochastic depth"


def arms(scale: ScaleName) -> Arms:
    network = "resnet110_cifar" if scale == "gpu" else "resnet56_cifar"
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
        Printed("110 layers, constant and stochastic depth", "6.41 %, 5.25 %", "printed"),
        Printed("1202 layers, constant and stochastic depth", "6.67 %, 4.91 %", "printed"),
    ),
    experiment="The same deep network with and without stochastic depth (linear, last survival 0.5).",
    rule=Less(STOCHASTIC, CONSTANT),
    arms=arms,
    minutes={"minutes": 2, "hour": 180, "gpu": 60},
)
