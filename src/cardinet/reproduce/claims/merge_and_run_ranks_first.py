"""Merge-and-run against inception-like and residual networks: Zhao et al. 2016 (arXiv 1611.07718)."""

from cardinet.networks.families.deeply_fused import DeeplyFused
from cardinet.networks.families.merge_and_run import MergeAndRun
from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import falling
from cardinet.reproduce.scales import ScaleName

MR, IL, RESNET = "merge-and-run", "inception-like", "residual"


def arms(scale: ScaleName) -> Arms:
    blocks = {"minutes": 3, "hour": 5, "gpu": 9}[scale]
    return {
        MR: Arm(network=MergeAndRun(depths=(blocks,) * 3)),
        IL: Arm(network=DeeplyFused(depths=(blocks,) * 3, branches=2)),
        RESNET: Arm(network=DeeplyFused(depths=(2 * blocks,) * 3)),
    }


CLAIM = Claim(
    id="merge-and-run-ranks-first",
    chapter="Fusion",
    statement="At equal parameters merge-and-run errs less than inception-like, and that less than residual.",
    paper="arXiv 1611.07718",
    printed=(Printed("DFN-MR1, CIFAR-10", "4.94 %", "printed"),),
    experiment="Three networks of equal parameters within 5 %.",
    rule=falling((RESNET, IL, MR)),
    arms=arms,
    minutes={"minutes": 2, "hour": 240, "gpu": 240},
    remarks=("An account of the first version says that inception-like is only slightly better than residual.",),
)
