"""Training only the effective paths is as good: Veit et al. 2016 (arXiv 1605.06431)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Equal
from cardinet.reproduce.scales import ScaleName

WHOLE, SHORT = "all units", "23 of 54 units in a mini-batch"
OPEN, UNITS = 23, 54


def arms(scale: ScaleName) -> Arms:
    network, units = ("resnet110_cifar", UNITS) if scale == "gpu" else ("resnet56_cifar", 27)
    opened = round(units * OPEN / UNITS)
    merge = f'StochasticDepth(last={opened / units:.6f}, rule="uniform")'
    return {
        WHOLE: Arm(network=network),
        SHORT: Arm(network=network, delta={"merge": merge}, settings={"methods": f"FixedDepth(units={opened})"}),
    }


CLAIM = Claim(
    id="training-effective-paths",
    chapter="Ensembles of paths",
    statement="A network whose every mini-batch trains only 23 of 54 units errs as little as the whole one.",
    paper="arXiv 1605.06431",
    printed=(Printed("ResNet-110, 23 of 54 units and all", "5.96 %, 6.10 %", "second hand"),),
    experiment="The same residual network is trained whole, and with the same share of its units in each mini-batch.",
    rule=Equal(WHOLE, SHORT, margin=0.01),
    arms=arms,
    minutes={"minutes": 2, "hour": 180, "gpu": 60},
    remarks=(
        "In tests a branch counts with the share of the steps that opened it; the paper does not say.",
        "At the scales minutes and hour the network has 56 layers, and 12 of its 27 units are in a mini-batch.",
    ),
)
