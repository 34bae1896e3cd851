"""Squeeze-and-excitation gains at small cost: Hu et al. 2017 (arXiv 1709.01507)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

PLAIN, GATED = "without a gate", "with squeeze-and-excitation"


def arms(scale: ScaleName) -> Arms:
    network = {"minutes": "resnet20_cifar", "hour": "resnet20_cifar", "gpu": "resnet110_cifar"}[scale]
    return {
        PLAIN: Arm(network=network),
        GATED: Arm(
            network=network,
            delta={"gate": "SqueezeExcite(reduction=4)" if scale != "gpu" else "SqueezeExcite(reduction=16)"},
        ),
    }


CLAIM = Claim(
    id="squeeze-excite-gains",
    chapter="Attention",
    statement="Squeeze-and-excitation reduces the error at a small cost.",
    paper="arXiv 1709.01507",
    printed=(
        Printed("SE-ResNet-50, SE-ResNet-101", "23.29 %, 22.38 %", "printed"),
        Printed("CIFAR-10: ResNet-110 in its own paper, SE-ResNet-110", "6.43 %, 5.21 %", "printed"),
    ),
    experiment="The same residual network with and without the gate.",
    rule=Less(GATED, PLAIN),
    arms=arms,
    minutes={"minutes": 2, "hour": 90, "gpu": 120},
)
