"""Squeeze-and-excitation gains at small cost: Hu et al. 2017 (arXiv 1709.01507)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

PLAIN, GATED = "without a gate", "with squeeze-and-excitation"


def arms(scale: ScaleName) -> Arms:
    network, reduction = ("preact110_cifar", 16) if scale == "gpu" else ("resnet20_cifar", 4)
    return {
        PLAIN: Arm(network=network),
        GATED: Arm(network=network, delta={"gate": f"SqueezeExcite(reduction={reduction})"}),
    }


CLAIM = Claim(
    id="squeeze-excite-gains",
    chapter="Attention",
    statement="Squeeze-and-excitation reduces the error at a small cost.",
    paper="arXiv 1709.01507",
    printed=(
        Printed("ImageNet: ResNet-50 by its authors, SE-ResNet-50", "24.7 %, 23.29 %", "printed"),
        Printed("CIFAR-10: pre-activation ResNet-110, SE-ResNet-110", "6.37 %, 5.21 %", "printed"),
    ),
    experiment="The same residual network with and without the gate.",
    rule=Less(GATED, PLAIN),
    arms=arms,
    minutes={"minutes": 2, "hour": 90, "gpu": 120},
    remarks=("The reduction is 16 at the scale gpu, and 4 at the others, whose stages are narrow.",),
)
