"""Dropout between the convolutions of a wide unit: Zagoruyko and Komodakis 2016 (arXiv 1605.07146)."""

from cardinet.reproduce.claim import Arm, Arms, Claim
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

WITHOUT, WITH = "without dropout", "with dropout 0.3"


def arms(scale: ScaleName) -> Arms:
    delta = {"depths": (1, 1, 1)} if scale == "minutes" else {}
    return {
        WITHOUT: Arm(network="wrn16_4", delta=delta),
        WITH: Arm(network="wrn16_4", delta=delta | {"transform.dropout": 0.3}),
    }


CLAIM = Claim(
    id="dropout-in-wide-units",
    chapter="Width",
    statement="Dropout between the two convolutions of a wide unit reduces the error.",
    paper="arXiv 1605.07146",
    experiment="A wide residual network with and without dropout of rate 0.3.",
    rule=Less(WITH, WITHOUT),
    arms=arms,
    minutes={"minutes": 3, "hour": 120, "gpu": 120},
)
