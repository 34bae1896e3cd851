"""Residual networks survive lesions, plain ones do not: Veit et al. 2016 (arXiv 1605.06431)."""

from __future__ import annotations

from cardinet.reproduce.claim import Arm, Arms, Claim, Lab, Printed
from cardinet.reproduce.rules import Less, Samples
from cardinet.reproduce.scales import ScaleName

RESIDUAL, PLAIN = "residual network", "plain network"
RISE = "rise of the error, {}"


def arms(scale: ScaleName) -> Arms:
    depth = 32 if scale == "gpu" else 20
    return {RESIDUAL: Arm(network=f"resnet{depth}_cifar"), PLAIN: Arm(network=f"plain{depth}_cifar")}


def measure(lab: Lab) -> Samples:
    """The errors, and by how much the error rises on average if one unit that keeps the shape is deleted."""
    from statistics import fmean

    from cardinet.reproduce.functions import errors_after_deletions

    found: dict[str, list[float]] = {}
    for name in lab.arms:
        for seed in lab.seeds:
            run = lab.trained(name, seed)
            rise = fmean(errors_after_deletions(run)) - run.error
            found.setdefault(RISE.format(name), []).append(rise)
            found.setdefault(f"error of the {name}", []).append(run.error)
    return found


CLAIM = Claim(
    id="residual-nets-survive-lesions",
    chapter="Ensembles of paths",
    statement="A residual network hardly suffers from the loss of a unit; a plain network does not work without one.",
    paper="arXiv 1605.06431",
    printed=(
        Printed("ResNet-110, any unit but those that halve the picture", "no noticeable change", "second hand"),
        Printed("VGG with 15 layers, any layer", "about 90 % error", "second hand"),
    ),
    experiment="Each unit that keeps the shape is deleted in turn, and the whole test set is answered again.",
    measures="test error, or its mean rise after a deletion",
    rule=Less(RISE.format(RESIDUAL), RISE.format(PLAIN), by=0.2),
    arms=arms,
    measure=measure,
    minutes={"minutes": 3, "hour": 60, "gpu": 30},
    remarks=(
        "A unit of the residual network has two convolutions, one of the plain network has one.",
        "The statistics of BN are those of the training.",
    ),
)
