"""Stochastic depth saves a quarter of the training time: Huang et al. 2016, Table 2 (arXiv 1603.09382)."""

from __future__ import annotations

from cardinet.reproduce.claim import Claim, Lab, Printed
from cardinet.reproduce.functions import step_times
from cardinet.reproduce.rules import Samples, Within

RATIO = "time of a step, stochastic / constant"


def measure(lab: Lab) -> Samples:
    from statistics import fmean

    from cardinet.networks.registry import find

    constant = find("resnet56_cifar").spec
    times = step_times({"constant": constant, "stochastic": constant.but(merge="StochasticDepth()")})
    mean = {name: fmean(found) for name, found in times.items()}
    return {RATIO: [mean["stochastic"] / mean["constant"]], **{f"{name}, ms": [t] for name, t in mean.items()}}


CLAIM = Claim(
    id="stochastic-depth-saves-time",
    chapter="Depth",
    statement="Stochastic depth saves about a quarter of the training time.",
    paper="arXiv 1603.09382, Table 2",
    printed=(Printed("CIFAR-10, constant and stochastic depth", "20 h 42 min, 15 h 07 min: 27 % less", "printed"),),
    experiment="Mean time of a training step of ResNet-56 at 32 pixels, one thread, both networks in turn.",
    measures="ratio, or milliseconds",
    percent=False,
    rule=Within(RATIO, 0.65, 0.85),
    measure=measure,
    bars=("constant, ms", "stochastic, ms"),
    minutes={"minutes": 2, "hour": 2, "gpu": 2},
)
