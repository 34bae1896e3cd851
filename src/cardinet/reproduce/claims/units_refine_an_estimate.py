"""The units of a stage refine one estimate: Greff et al. 2016 (arXiv 1612.07771)."""

from __future__ import annotations

from cardinet.reproduce.claim import Arm, Arms, Claim, Lab
from cardinet.reproduce.rules import All, Less, Samples, Within
from cardinet.reproduce.scales import ScaleName

NETWORK = "residual network"
FIRST, LAST = "spread after the first unit", "spread after the last but one"
MEAN = "mean distance"
PICTURES = 256


def arms(scale: ScaleName) -> Arms:
    return {NETWORK: Arm(network="resnet110_cifar" if scale == "gpu" else "resnet56_cifar")}


def measure(lab: Lab) -> Samples:
    """The distance of a unit's output from the end of its stage, in deviations of the end; means over the stages."""
    from statistics import fmean

    from cardinet.explain.estimates import distances
    from cardinet.reproduce.functions import first_test_pictures

    found: dict[str, list[float]] = {FIRST: [], LAST: [], MEAN: []}
    for seed in lab.seeds:
        run = lab.trained(NETWORK, seed)
        stages: dict[str, list[float]] = {}
        all_units = distances(run.network(), [first_test_pictures(run, PICTURES).pixels])
        for one in all_units:
            stages.setdefault(one.stage, []).append(one.spread)
        found[FIRST].append(fmean(spreads[0] for spreads in stages.values()))
        found[LAST].append(fmean(spreads[-1] for spreads in stages.values()))
        found[MEAN].append(fmean(abs(one.mean) for one in all_units))
    return found


CLAIM = Claim(
    id="units-refine-an-estimate",
    chapter="Ensembles of paths",
    statement="The units of a stage refine one estimate: their distance to its end has no bias and a falling spread.",
    paper="arXiv 1612.07771",
    experiment="Outputs of all units of a trained network on 256 test pictures, against the end of their stage.",
    measures="distance, in standard deviations of the end of the stage",
    percent=False,
    rule=All((Less(LAST, FIRST), Within(MEAN, 0, 0.5))),
    arms=arms,
    measure=measure,
    minutes={"minutes": 2, "hour": 90, "gpu": 60},
    remarks=("What was measured in the paper is known from memory only, so no figure of it is given.",),
)
