"""A residual network errs less as it grows wider: Zagoruyko and Komodakis 2016 (arXiv 1605.07146)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName


def arms(scale: ScaleName) -> Arms:
    depths = (2, 2, 2) if scale == "minutes" else (4, 4, 4)
    return {
        f"k = {k}": Arm(network="wrn16_4", delta={"depths": depths, "widths": (16 * k, 32 * k, 64 * k)})
        for k in (1, 2, 4)
    }


CLAIM = Claim(
    id="wider-errs-less",
    chapter="Width",
    statement="At one depth a residual network errs less as it grows wider.",
    paper="arXiv 1605.07146",
    printed=(
        Printed("depth 40, k = 1, 2, 4, 8", "6.85, 5.33, 4.97, 4.66 %", "printed"),
        Printed("depth 16, k = 4, 8", "5.02 %, 4.27 %", "printed"),
    ),
    experiment="Wide residual networks of one depth with width factors 1, 2 and 4.",
    rule=Less("k = 4", "k = 1"),
    arms=arms,
    axis="width factor k",
    places={f"k = {k}": ("one depth", k) for k in (1, 2, 4)},
    minutes={"minutes": 3, "hour": 120, "gpu": 120},
    remarks=("The rule compares the narrowest and the widest; that between is drawn, and not part of it.",),
)
