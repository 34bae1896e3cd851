"""In an ensemble with shared parameters deep members gain and shallow ones lose: Zhao et al. 2016
(arXiv 1611.07718, version 1).
"""

from __future__ import annotations

from cardinet.networks.families.deeply_fused import fuse
from cardinet.reproduce.claim import Arm, Arms, Claim, Lab, Printed
from cardinet.reproduce.rules import All, Less, Samples
from cardinet.reproduce.scales import ScaleName

ENSEMBLE = "ensemble"
LAYERS = {0: 5, 1: 12, 2: 19, 3: 26}
"""The layers of a base network of fuse3 with 26 layers, by the number of its deep lines."""
DEEP = 3
MEMBER, ALONE = "member of {} layers", "{} layers alone"
PLACES = {
    form.format(layers): (line, float(layers))
    for form, line in ((MEMBER, "in the ensemble"), (ALONE, "alone"))
    for layers in LAYERS.values()
}


def arms(scale: ScaleName) -> Arms:
    fused = fuse(26, 3)
    alone = {
        ALONE.format(layers): Arm(network=fused.but(path=("deep1",) * deep + ("shallow",) * (3 - deep)))
        for deep, layers in LAYERS.items()
    }
    return {ENSEMBLE: Arm(network=fused, settings={"methods": "SharedEnsemble()"}), **alone}


def measure(lab: Lab) -> Samples:
    """The error of a member of each length (the mean over the members of a length), and of such a network alone."""
    from statistics import fmean

    from cardinet.reproduce.fused_members import members

    found: dict[str, list[float]] = {name: [] for name in (*PLACES, ENSEMBLE)}
    for seed in lab.seeds:
        answers = members(lab.trained(ENSEMBLE, seed))
        found[ENSEMBLE].append(answers.error(answers.probabilities))
        for deep, layers in LAYERS.items():
            errors = [answers.error([path]) for path in answers.of_length(deep)]
            found[MEMBER.format(layers)].append(fmean(errors))
            found[ALONE.format(layers)].append(lab.trained(ALONE.format(layers), seed).error)
    return found


CLAIM = Claim(
    id="deep-members-gain",
    chapter="Fusion",
    statement="In an ensemble with shared parameters the deepest network errs less than alone, the shallowest more.",
    paper="arXiv 1611.07718, version 1",
    printed=(
        Printed("constituents against the same networks alone", "deep ones gain, shallow ones lose", "second hand"),
    ),
    experiment="The base networks of fuse3 with 26 layers, trained jointly; and one of each length, trained alone.",
    rule=All(
        (
            Less(MEMBER.format(LAYERS[DEEP]), ALONE.format(LAYERS[DEEP])),
            Less(ALONE.format(LAYERS[0]), MEMBER.format(LAYERS[0])),
        )
    ),
    arms=arms,
    measure=measure,
    axis="layers",
    places=PLACES,
    minutes={"minutes": 3, "hour": 120, "gpu": 60},
)
