"""A claim whose two networks train for three steps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from cardinet.reproduce.claim import Arm, Arms, Claim
from cardinet.reproduce.lab import Laboratory, Progress, silent
from cardinet.reproduce.request import Prepared, Request, laboratory
from cardinet.reproduce.rules import Less
from cardinet.reproduce.scales import ScaleName

TINY = {"training.length": "3 steps", "data.limit": 40}


def arms(scale: ScaleName) -> Arms:
    delta = {"depths": (1, 1, 1), "widths": (4, 8, 8), "stem.width": 4}
    plain = delta | {"shortcut.kind": "none"}
    return {
        "with": Arm(network="resnet20_cifar", delta=delta, settings=TINY),
        "without": Arm(network="resnet20_cifar", delta=plain, settings=TINY),
    }


CLAIM = Claim(
    id="tiny",
    chapter="Depth",
    statement="A test <claim>.",
    paper="none",
    experiment="Two tiny networks.",
    rule=Less("with", "without"),
    arms=arms,
    minutes={"minutes": 1},
)


def endless() -> Claim:
    """The same claim with trainings of hours."""
    longer = {
        name: dataclasses.replace(arm, settings={"training.length": "1000000 steps"})
        for name, arm in arms("minutes").items()
    }
    return dataclasses.replace(CLAIM, arms=lambda scale: longer)


def prepared(folder: Path, claim: Claim = CLAIM, jobs: int = 1, progress: Progress = silent) -> Prepared:
    request = Request(names=("tiny",), out=folder, seeds=2)
    return Prepared(request, ((claim, laboratory(claim, request, progress)),), jobs=jobs, progress=progress)


def laboratory_of(folder: Path) -> Laboratory:
    return prepared(folder).claims[0][1]
