"""Selective kernels gain on ResNeXt: Li et al. 2019 (arXiv 1903.06586)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

PLAIN, SELECTIVE = "ResNeXt", "selective kernels"


def arms(scale: ScaleName) -> Arms:
    delta = {"depths": (1, 1, 1) if scale == "minutes" else (2, 2, 2), "base_width": 4}
    return {
        PLAIN: Arm(network="resnext29_1x64d", delta=delta | {"cardinality": 16}),
        SELECTIVE: Arm(network="resnext29_1x64d", delta=delta | {"spatial": "SelectiveKernel(cardinality=16)"}),
    }


CLAIM = Claim(
    id="selective-kernels-gain",
    chapter="Attention",
    statement="Selective kernels reduce the error of a ResNeXt.",
    paper="arXiv 1903.06586",
    printed=(
        Printed("SKNet-50, SKNet-101", "20.79 %, 20.19 %", "printed"),
        Printed("ResNeXt-50 32x4d, as in its own paper", "22.2 %", "printed"),
    ),
    experiment="A ResNeXt with 16 groups, with grouped convolutions and with selective kernels.",
    rule=Less(SELECTIVE, PLAIN),
    arms=arms,
    minutes={"minutes": 3, "hour": 120, "gpu": 120},
    remarks=("The printed figures are of different trainings: SKNet has label smoothing and more augmentation.",),
)
