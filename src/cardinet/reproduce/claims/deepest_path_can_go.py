"""The deepest member of an ensemble with shared parameters can go: Zhao et al. 2016 (arXiv 1611.07718, version 1)."""

from __future__ import annotations

from cardinet.networks.families.deeply_fused import fuse
from cardinet.reproduce.claim import Arm, Arms, Claim, Lab, Printed
from cardinet.reproduce.rules import All, Less, Samples
from cardinet.reproduce.scales import ScaleName

EIGHT, RETRAINED = "eight members", "the other seven, trained without it"
SEVEN = "the other seven, left out in the test"


def arms(scale: ScaleName) -> Arms:
    fused = fuse(26, 3)
    return {
        EIGHT: Arm(network=fused, settings={"methods": "SharedEnsemble()"}),
        RETRAINED: Arm(network=fused, settings={"methods": "SharedEnsemble(without_deepest=true)"}),
    }


def measure(lab: Lab) -> Samples:
    from cardinet.reproduce.fused_members import members

    found: dict[str, list[float]] = {EIGHT: [], SEVEN: [], RETRAINED: []}
    for seed in lab.seeds:
        eight = members(lab.trained(EIGHT, seed))
        seven = members(lab.trained(RETRAINED, seed), without_deepest=True)
        *others, _ = eight.probabilities
        found[EIGHT].append(eight.error(eight.probabilities))
        found[SEVEN].append(eight.error(others))
        found[RETRAINED].append(seven.error(seven.probabilities))
    return found


CLAIM = Claim(
    id="deepest-path-can-go",
    chapter="Fusion",
    statement="An ensemble of base networks does not need the deepest of them.",
    paper="arXiv 1611.07718, version 1",
    printed=(Printed("without the deepest member, both ways", "little effect, mostly a slight gain", "second hand"),),
    experiment=(
        "The eight base networks of fuse3 with 26 layers, trained jointly: all eight, without the deepest in the test, "
        "and the other seven trained without it."
    ),
    rule=All((Less(SEVEN, EIGHT, by=-0.01), Less(RETRAINED, EIGHT, by=-0.01))),
    arms=arms,
    measure=measure,
    minutes={"minutes": 4, "hour": 120, "gpu": 60},
    remarks=("Members are combined by the mean of their probabilities; the paper's way is not known.",),
)
