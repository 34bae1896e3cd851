"""Dropout between the convolutions of a wide unit: Zagoruyko and Komodakis 2016 (arXiv 1605.07146)."""

from cardinet.reproduce.claim import Arm, Arms, Claim, Printed
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

WITHOUT, WITH = "without dropout", "with dropout 0.3"


def arms(scale: ScaleName) -> Arms:
    network = "wrn28_10" if scale == "gpu" else "wrn16_4"
    delta = {"depths": (1, 1, 1)} if scale == "minutes" else {}
    return {
        WITHOUT: Arm(network=network, delta=delta),
        WITH: Arm(network=network, delta=delta | {"transform.dropout": 0.3}),
    }


CLAIM = Claim(
    id="dropout-in-wide-units",
    chapter="Width",
    statement="Dropout between the two convolutions of a wide unit reduces the error.",
    paper="arXiv 1605.07146",
    printed=(
        Printed("WRN-28-10 on CIFAR-10, without and with dropout", "4.00 %, 3.89 %", "printed"),
        Printed("WRN-28-10 on CIFAR-100, the same", "19.25 %, 18.85 %", "printed"),
        Printed("WRN-16-4 on CIFAR-10, the same", "5.02 %, 5.24 %", "printed"),
    ),
    experiment="A wide residual network with and without dropout of rate 0.3.",
    rule=Less(WITH, WITHOUT),
    arms=arms,
    minutes={"minutes": 3, "hour": 120, "gpu": 120},
    remarks=("The paper's own figures differ in sign: dropout helps WRN-28-10, and not WRN-16-4 on CIFAR-10.",),
)
