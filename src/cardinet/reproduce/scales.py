"""The three scales of an experiment: minutes on a laptop, hours on a workstation, and a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from cardinet.base.errors import RequestError, nearest

ScaleName = Literal["minutes", "hour", "gpu"]
SCALE_NAMES: tuple[ScaleName, ...] = get_args(ScaleName)


@dataclass(frozen=True)
class Scale:
    """A scale: its pictures, its default number of seeds, and the settings of a training."""

    name: ScaleName
    source: str
    seeds: int
    settings: Mapping[str, Any]
    about: str


SCALES: dict[ScaleName, Scale] = {
    scale.name: scale
    for scale in (
        Scale(
            "minutes",
            "digits",
            3,
            {
                "recipe": "quick",
                "training.length": "8 epochs",
                "training.batch_size": 32,
                "optimizer.lr": 0.05,
                "schedule.warmup": "10 %",
                "objective.label_smoothing": 0,
                "machine.device": "cpu",
                "machine.threads": 1,
                "machine.workers": 0,
                "machine.precision": "float32",
            },
            "The embedded digits, 8 epochs, on 2 CPU cores; at most 5 minutes a claim.",
        ),
        Scale(
            "hour",
            "cifar10",
            3,
            {"recipe": "quick", "training.length": "10 epochs", "data.limit": 20_000, "machine.precision": "float32"},
            "20,000 pictures of CIFAR-10, 10 epochs; one to four hours a claim that trains, on a workstation.",
        ),
        Scale(
            "gpu",
            "cifar10",
            3,
            {"recipe": "paper-cifar", "training.length": "60 epochs", "machine.device": "cuda"},
            "All of CIFAR-10, 60 epochs of ResNeXt's recipe for CIFAR, on a GPU.",
        ),
    )
}


def find_scale(name: str) -> Scale:
    """A scale. Raises RequestError with the nearest name for an unknown one."""
    for known, scale in SCALES.items():
        if name == known:
            return scale
    raise RequestError(f'There is no scale "{name}" ({nearest(name, SCALE_NAMES)}).')
