"""Benchmark: how long a checkpoint holds the steps of a run.

command   python benchmarks/checkpoints.py --rounds 9
expected  the steps are held for little more than a copy of the state
time      about 2 minutes

For each network, in turn: `copy`, a copy of all tensors of a checkpoint in their own layout; `held`, the time for which
`Saving.save` holds the steps (it copies, and a thread writes); `written`, the time until the file is on the disk, for
which the steps would be held without the thread. The state is that of training by SGD with momentum.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from cardinet.base.settings import merge
from cardinet.build.builder import build
from cardinet.data.source import open_source
from cardinet.runs.environment import hardware, versions
from cardinet.runs.folder import RunFolder
from cardinet.runs.metrics import Metrics
from cardinet.train.fitting import check, fit
from cardinet.train.recipe import make_recipe, recipe_document
from cardinet.train.saving import Saving
from cardinet.train.state import Progress, capture
from cardinet.train.trainee import Trainee, trainee

NETWORKS = ("resnext29_32x4d", "resnet50", "resnext101_32x8d")


def trained(name: str, folder: Path) -> tuple[Saving, Trainee]:
    """A network after one step on the digits, and what saves it."""
    document = merge(
        recipe_document("quick"), {"network": {"id": name}, "data": {"source": "digits"}, "preprocessing": {"size": 64}}
    )
    recipe = make_recipe(document)
    source = open_source("digits", recipe.data)
    task, _ = fit(recipe, source, check(recipe, source))
    subject = trainee(task, build(task.spec).to(memory_format=torch.channels_last))
    for parameter in subject.network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    subject.optimizer.step()
    subject.optimizer.zero_grad(set_to_none=True)
    run = RunFolder(folder)
    run.last.parent.mkdir(parents=True)
    return Saving(task, subject, run, Metrics(run.metrics)), subject


def times(saving: Saving, subject: Trainee) -> dict[str, float]:
    """Seconds of one copy, and of one checkpoint."""
    start = time.perf_counter()
    copies = {name: tensor.detach().clone() for name, tensor in capture(subject).items()}
    copied = time.perf_counter() - start
    del copies
    start = time.perf_counter()
    saving.save(Progress(step=1))
    held = time.perf_counter() - start
    saving.writes.wait()
    return {"copy": copied, "held": held, "written": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    print(versions(), hardware("cpu"))
    with tempfile.TemporaryDirectory() as place:
        runs = {name: trained(name, Path(place) / name) for name in NETWORKS}
        found: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
        for number in range(rounds + 1):
            for name, (saving, subject) in runs.items():
                measured = times(saving, subject)
                if number:  # the first round warms up
                    found[name].append(measured)
        for name, (saving, _) in runs.items():
            size = saving.folder.last.stat().st_size / 1e6
            texts = []
            for what in ("copy", "held", "written"):
                values = sorted(row[what] * 1e3 for row in found[name])
                texts.append(f"{what} {statistics.median(values):.0f} ms ({values[0]:.0f} to {values[-1]:.0f})")
            print(f"{name}: {size:.0f} MB, n = {rounds}: {'; '.join(texts)}")


if __name__ == "__main__":
    main()
