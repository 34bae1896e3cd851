"""Some steps of a training with each method, in one or several processes, as a program; it prints the losses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cardinet.build.builder import build
from cardinet.runs.ranks import Ranks, connected
from cardinet.train.job import make_alike, prepare_machine
from cardinet.train.listener import Listener
from cardinet.train.request import Request, resolve
from cardinet.train.trainee import trainee
from cardinet.train.whole_step import train_batches, whole_step
from train.test_methods import RUNS, short

EXACT = {"precision": "float64", "batch_size": 24, "workers": 0, "data.limit": 179, "lr": 0.01}


def steps(settings: dict[str, Any], ranks: Ranks, count: int) -> list[float]:
    """The losses and the numbers of wrong answers of some steps, then the sum of the squares of all parameters."""
    task = resolve(Request(settings=tuple((settings | EXACT).items())), Listener(), ranks=ranks).task
    prepare_machine(task)
    subject = trainee(task, build(task.spec, init=task.recipe.network.init))
    make_alike(task, subject)
    subject.network.train()
    batches = train_batches(task)
    found: list[float] = []
    stream = batches.stream(0)
    for done in range(count):
        loss, wrong = whole_step(task, subject, next(stream), done, task.learning_rate(done))
        found += [loss.item(), float(wrong)]
    batches.close()
    return [*found, sum(parameter.square().sum().item() for parameter in subject.whole.parameters())]


def losses(ranks: Ranks, teacher: Path) -> dict[str, list[float]]:
    """By method. Without dropout, for which each process has draws of its own."""
    heads = RUNS["AuxiliaryHeads"]["methods"].replace("grid=2", "grid=2, dropout=0")
    small = {"SharedEnsemble": {"widths": [4, 4, 8]}, "AuxiliaryHeads": {"methods": heads}}
    return {name: steps(short(name, teacher) | small.get(name, {}), ranks, 2) for name in RUNS}


if __name__ == "__main__":
    with connected() as ranks:
        print(json.dumps(losses(ranks, Path(sys.argv[1]))))
