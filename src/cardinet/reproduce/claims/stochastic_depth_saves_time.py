"""Stochastic depth saves a quarter of the training time: Huang et al. 2016, Table 2 (arXiv 1603.09382)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab, Printed
from cardinet.reproduce.functions import step_times
from cardinet.reproduce.rules import Samples, Within

RATIO = "time of a step, stochastic / constant"


def measure(lab: Lab) -> Samples:
    times = step_times(
        {"constant": ("resnet56_cifar", {}), "stochastic": ("resnet56_cifar", {"merge": "StochasticDepth()"})}
    )
    return {RATIO: [times["stochastic"] / times["constant"]], **{f"{k}, ms": [1000 * v] for k, v in times.items()}}


CLAIM = Claim(
    id="stochastic-depth-saves-time",
    chapter="Depth",
    statement="Stochastic depth saves about a quarter of the training time.",
    paper="arXiv 1603.09382, Table 2",
    printed=(Printed("CIFAR-10, constant and stochastic depth", "20 h 42 min, 15 h 07 min: 27 % less", "printed"),),
    experiment="Mean time of a training step of ResNet-56 at 32 pixels, both networks in turn.",
    measures="ratio, or milliseconds",
    percent=False,
    rule=Within(RATIO, 0.65, 0.85),
    measure=measure,
    minutes={"minutes": 2, "hour": 2, "gpu": 2},
)
