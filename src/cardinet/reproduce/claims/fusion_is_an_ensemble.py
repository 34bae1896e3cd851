"""A fused net and the ensemble of its base networks are alike: Zhao et al. 2016 (arXiv 1611.07718, version 1)."""

from __future__ import annotations

from cardinet.networks.families.deeply_fused import fuse
from cardinet.reproduce.claim import Arm, Arms, Claim, Lab, Printed
from cardinet.reproduce.rules import All, Equal, Samples
from cardinet.reproduce.scales import ScaleName

FUSED, ENSEMBLE = "fused network", "ensemble"
DEPTHS = (8, 14, 26)
PLACES = {f"{name}, {depth} layers": (name, float(depth)) for name in (FUSED, ENSEMBLE) for depth in DEPTHS}


def arms(scale: ScaleName) -> Arms:
    joint = {"methods": "SharedEnsemble()"}
    return {
        name: Arm(network=fuse(int(depth), 3), settings=joint if kind == ENSEMBLE else {})
        for name, (kind, depth) in PLACES.items()
    }


def measure(lab: Lab) -> Samples:
    """The error of each fused network, and that of the mean answer of eight jointly trained base networks."""
    from cardinet.reproduce.fused_members import members

    found: dict[str, list[float]] = {}
    for name in lab.arms:
        for seed in lab.seeds:
            run = lab.trained(name, seed)
            if name.startswith(ENSEMBLE):
                answers = members(run)
                found.setdefault(name, []).append(answers.error(answers.probabilities))
            else:
                found.setdefault(name, []).append(run.error)
    return found


CLAIM = Claim(
    id="fusion-is-an-ensemble",
    chapter="Fusion",
    statement="A fused network errs as much as the ensemble of its base networks, which share its parameters.",
    paper="arXiv 1611.07718, version 1",
    printed=(Printed("ten groups of networks of different depth", "very similar accuracy", "second hand"),),
    experiment=(
        "fuse3 of three depths, trained as it is; and its eight base networks trained jointly with shared parameters, "
        "tested by the mean of their probabilities."
    ),
    rule=All(tuple(Equal(f"{FUSED}, {depth} layers", f"{ENSEMBLE}, {depth} layers", margin=0.015) for depth in DEPTHS)),
    arms=arms,
    measure=measure,
    axis="layers of the deepest base network",
    places=PLACES,
    minutes={"minutes": 4, "hour": 180, "gpu": 90},
    remarks=(
        "The paper has ten depths, which are not known; here there are three.",
        "Each base network has BN statistics of its own, from the training pictures.",
    ),
)
