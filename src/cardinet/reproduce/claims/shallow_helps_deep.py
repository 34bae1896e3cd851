"""A deep net fused with a shallow one trains better than the deep one alone: Wang et al. 2016 (arXiv 1605.07716)."""

from cardinet.networks.families.deeply_fused import fuse
from cardinet.reproduce.claim import Arm, Arms, Claim
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

FUSED, ALONE = "deep and shallow, fused", "deep alone"


def arms(scale: ScaleName) -> Arms:
    depth = 26 if scale == "minutes" else 50
    fused = fuse(depth, 3)
    return {FUSED: Arm(network=fused), ALONE: Arm(network=fused.but(path=("deep1",) * 3))}


CLAIM = Claim(
    id="shallow-helps-deep",
    chapter="Fusion",
    statement="A deep network fused with a shallow one trains better than the deep one alone.",
    paper="arXiv 1605.07716",
    experiment="fuse3, and its deepest base network alone.",
    rule=Less(FUSED, ALONE),
    arms=arms,
    minutes={"minutes": 1, "hour": 120, "gpu": 60},
    remarks=(
        "No error figure of the paper was found; only its statement is tried.",
        "The fused network has up to 7 % more parameters: the convolutions of its shallow line.",
    ),
)
