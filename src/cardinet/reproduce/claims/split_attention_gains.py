"""Split attention gains: Zhang et al. 2020 (arXiv 2004.08955)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

ONE, TWO = "radix 1", "radix 2"


def arms(scale: ScaleName) -> Arms:
    delta = {"depths": (1, 1, 1) if scale == "minutes" else (2, 2, 2), "base_width": 64}
    return {
        name: Arm(network="resnext29_1x64d", delta=delta | {"spatial": f"SplitAttention(radix={radix})"})
        for name, radix in ((ONE, 1), (TWO, 2))
    }


CLAIM = Claim(
    id="split-attention-gains",
    chapter="Attention",
    statement="Two splits with attention between them err less than one.",
    paper="arXiv 2004.08955",
    printed=(Printed("ResNeSt-50-fast 1s1x64d, 2s1x64d, 4s1x64d", "19.67, 19.47, 19.24 %", "printed"),),
    experiment="A residual network with split attention of radix 1 and of radix 2.",
    rule=Less(TWO, ONE),
    arms=arms,
    minutes={"minutes": 4, "hour": 120, "gpu": 120},
)
