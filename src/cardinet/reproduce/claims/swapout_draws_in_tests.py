"""Swapout's stochastic inference beats the deterministic one: Singh et al. 2016 (arXiv 1605.06465)."""

from __future__ import annotations

from cardinet.reproduce.claim import Arm, Arms, Claim, Lab, Printed
from cardinet.reproduce.rules import Less, Samples
from cardinet.reproduce.scales import ScaleName

DETERMINISTIC, STOCHASTIC = "deterministic", "mean of 30 random passes"


def arms(scale: ScaleName) -> Arms:
    narrow = {"widths": (32, 64, 128), "stem.width": 32}
    delta = {} if scale == "gpu" else narrow
    return {DETERMINISTIC: Arm(network="swapout20_w4", delta=delta)}


def measure(lab: Lab) -> Samples:
    from cardinet.reproduce.functions import error_of

    runs = [lab.trained(DETERMINISTIC, seed) for seed in lab.seeds]
    return {
        DETERMINISTIC: [run.error for run in runs],
        STOCHASTIC: [error_of(run, run.network(), passes=30) for run in runs],
    }


CLAIM = Claim(
    id="swapout-draws-in-tests",
    chapter="Ensembles of paths",
    statement="The mean answer of many random passes of a Swapout network errs less than its deterministic answer.",
    paper="arXiv 1605.06465",
    printed=(Printed("Swapout 20, width 4, stochastic inference", "5.09 %", "second hand"),),
    experiment="A Swapout network is tested with expected values, and as the mean of 30 random passes.",
    rule=Less(STOCHASTIC, DETERMINISTIC),
    arms=arms,
    measure=measure,
    minutes={"minutes": 2, "hour": 60, "gpu": 30},
)
