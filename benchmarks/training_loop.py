"""Benchmark: Cardinet's training loop against a bare PyTorch loop, in turn, in one process.

command   python benchmarks/training_loop.py --rounds 15 --seconds 20
expected  median ratio (ours / bare, pictures per second) at least 0.97; host work at most 3 % of a step
time      about 12 minutes, on a machine where nothing else runs

Both train resnext29_32x4d at batch 64 on CIFAR-10 in memory: the same network, layout (channels_last), precision,
number of threads and augmentation (the same function for the same pictures), SGD with Nesterov momentum (fused, as
plain torch offers it). The bare loop is what one writes by hand: no logging, no schedule, no checkpoints, no check
of the loss. Ours is `Loop.run` on a real run folder, with all that it does between two evaluations: lines of metrics,
checks of the loss, and a checkpoint every 15 s (by default every 120 s). The contenders take turns, and the order
within a pair is swapped from pair to pair. What a slice prepares is not counted.

Apart from that contest, on our loop alone: the time in which it waits for its next batch, and its host work, which
is all that is neither waiting nor `forward_backward` nor `update`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.nn import functional as F

from cardinet.base.settings import merge
from cardinet.build.builder import build
from cardinet.data.arrays import ArrayPictures
from cardinet.data.augmenting import augmented_batch
from cardinet.data.batches import Batch, TrainBatches
from cardinet.data.data_settings import DataSettings
from cardinet.data.draws import Draws
from cardinet.data.source import Source, open_source
from cardinet.runs.environment import hardware, versions
from cardinet.runs.folder import RunFolder
from cardinet.train import loop, training_step
from cardinet.train.fitting import check, fit, picture_kind
from cardinet.train.interrupt import Interrupt
from cardinet.train.job import prepare_machine
from cardinet.train.listener import Listener
from cardinet.train.loop import Loop
from cardinet.train.methods import Hooks
from cardinet.train.optimizers.sgd import SGD
from cardinet.train.recipe import make_recipe, recipe_document
from cardinet.train.state import Progress
from cardinet.train.task import Task
from cardinet.train.trainee import trainee

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
NETWORK, BATCH = "resnext29_32x4d", 64
LEAST_RATIO, MOST_HOST_WORK = 0.97, 0.03


class TimeIsUp(Exception):
    """Ends a slice of `Loop.run` from within."""


class Stopwatch(Hooks):
    """Stops the loop before the first step that begins some seconds after the end of a slice's first step."""

    def __init__(self, seconds: float, synchronise: Callable[[], None]) -> None:
        self.seconds = seconds
        self.synchronise = synchronise
        self.first: tuple[int, float] | None = None
        self.begun = False
        self.steps, self.elapsed = 0, 0.0

    def see(self, batch: Batch, step: int) -> Batch:
        """Look at the clock; the step before is done in all its parts."""
        if not self.begun:
            self.begun = True
        elif self.first is None:
            self.synchronise()
            self.first = step, time.perf_counter()
        elif time.perf_counter() - self.first[1] >= self.seconds:
            self.synchronise()
            self.steps, self.elapsed = step - self.first[0], time.perf_counter() - self.first[1]
            raise TimeIsUp
        return batch


class Ours:
    """Cardinet's loop, in slices."""

    def __init__(self, task: Task, folder: Path) -> None:
        self.task = task
        prepare_machine(task)
        self.subject = trainee(task, build(task.spec))
        self.progress = Progress()
        (folder / "checkpoints").mkdir(parents=True)
        self.folder = RunFolder(folder)

    def slice(self, seconds: float) -> tuple[int, float]:
        """Steps done and the seconds they took."""
        watch = Stopwatch(seconds, synchroniser(self.task.device))
        self.subject.hooks["Stopwatch"] = watch
        try:
            Loop(self.task, self.subject, self.progress, self.folder, Listener()).run(Interrupt())
        except TimeIsUp:
            return watch.steps, watch.elapsed
        raise AssertionError("the run ended within a slice")


class Bare:
    """A training loop as one writes it by hand, in slices."""

    def __init__(self, task: Task) -> None:
        self.task = task
        prepare_machine(task)
        self.device = torch.device(task.device)
        self.network = build(task.spec).to(self.device).train()
        settings = task.recipe.optimizer
        assert isinstance(settings, SGD)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=settings.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=True,
            fused=True,
        )
        split = task.source.splits["train"]
        assert split.images is not None
        self.pictures = ArrayPictures(split.images, task.preprocessing, self.device)
        self.labels = torch.from_numpy(split.labels).to(self.device)
        self.epoch = 0

    def slice(self, seconds: float) -> tuple[int, float]:
        """Steps done and the seconds they took."""
        synchronise, steps, start = synchroniser(self.task.device), -1, 0.0
        for _ in self.steps():
            steps += 1
            if steps == 0:
                synchronise()
                start = time.perf_counter()
            elif time.perf_counter() - start >= seconds:
                break
        synchronise()
        return steps, time.perf_counter() - start

    def steps(self) -> Iterator[None]:
        count = len(self.labels)
        while True:
            order = torch.randperm(count)
            self.epoch += 1
            for first in range(0, count - BATCH + 1, BATCH):
                index = order[first : first + BATCH]
                batch, draws = self.pictures.batch(index.numpy()), Draws(0, self.epoch, index.numpy())
                pixels = augmented_batch(batch, self.task.recipe.augmentation, draws)
                x, y = self.task.preprocessing.normalise(pixels), self.labels[index]
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.task.precision == "bfloat16"):
                    logits = self.network(x)
                loss = F.cross_entropy(logits.float(), y)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                yield


def synchroniser(device: str) -> Callable[[], None]:
    return torch.cuda.synchronize if device.startswith("cuda") else lambda: None


def task_on(source: Source, changes: dict[str, Any]) -> Task:
    """The recipe quick on a source, without an end and evaluations, with a checkpoint in each slice of 20 s."""
    endless = {"training": {"length": "10000000 steps", "evaluate_every": "10000000 steps", "checkpoint_seconds": 15}}
    recipe = make_recipe(merge(merge(recipe_document("quick", picture_kind(source)), endless), changes))
    return fit(recipe, source, check(recipe, source))[0]


@contextmanager
def timed_parts(device: str) -> Iterator[dict[str, float]]:
    """The seconds that our loop spends in its torch parts and in waiting for batches, while it runs."""
    totals: dict[str, float] = defaultdict(float)
    synchronise = synchroniser(device)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments, **options)
            synchronise()
            totals[name] += time.perf_counter() - start
            return result

        return wrapper

    stream = TrainBatches.stream

    def timed_stream(self: TrainBatches, start_step: int = 0) -> Iterator[Batch]:
        batches = stream(self, start_step)
        while True:
            start = time.perf_counter()
            batch = next(batches)
            totals["waiting"] += time.perf_counter() - start
            totals["batches"] += 1
            yield batch
            if totals["batches"] == 1:  # the first step of a slice is not counted
                totals.clear()
                totals["batches"] = 1

    with (
        mock.patch.object(loop, "forward_backward", timed("forward_backward", training_step.forward_backward)),
        mock.patch.object(loop, "update", timed("update", training_step.update)),
        mock.patch.object(TrainBatches, "stream", timed_stream),
    ):
        yield totals


def parts_of_a_step(ours: Ours, seconds: float) -> dict[str, float]:
    """Milliseconds of a step, by part, and the shares of waiting and of host work."""
    with timed_parts(ours.task.device) as totals:
        steps, elapsed = ours.slice(seconds)
    names = ("forward_backward", "update", "waiting")
    parts = {name: 1000 * totals[name] / steps for name in names}
    step = 1000 * elapsed / steps
    parts["host work"] = step - sum(parts.values())
    shares = {"waiting share": parts["waiting"] / step, "host share": parts["host work"] / step}
    return {"steps": steps, "step": step, **parts, **shares}


def contest(ours: Ours, bare: Bare, rounds: int, seconds: float) -> list[dict[str, float]]:
    """The speeds of each pair in pictures per second."""
    for contender in (ours, bare):
        contender.slice(min(seconds, 3.0))
    pairs = []
    for number in range(rounds):
        speeds: dict[str, float] = {}
        for name in ("ours", "bare") if number % 2 == 0 else ("bare", "ours"):
            steps, elapsed = (ours if name == "ours" else bare).slice(seconds)
            speeds[name] = steps * BATCH / elapsed
        speeds["ratio"] = speeds["ours"] / speeds["bare"]
        pairs.append(speeds)
        print(
            f"  pair {number + 1:2d}  ours {speeds['ours']:7.1f}  bare {speeds['bare']:7.1f} img/s  "
            f"ratio {speeds['ratio']:.4f}",
            flush=True,
        )
    return pairs


def summarise(values: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    found = {"n": len(values), "median": statistics.median(values), "lower quartile": low, "upper quartile": high}
    assert middle == found["median"]
    return found | {"min": min(values), "max": max(values)}


def show_parts(title: str, parts: dict[str, float]) -> None:
    times = ", ".join(f"{n} {parts[n]:.2f}" for n in ("forward_backward", "update", "waiting", "host work"))
    print(f"{title}: a step {parts['step']:.2f} ms = {times}; waiting {100 * parts['waiting share']:.2f} %, ", end="")
    print(f"host work {100 * parts['host share']:.2f} % (n = {parts['steps']:.0f} steps)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="pairs of slices")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each slice")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    arguments = parser.parse_args()
    machine = {"machine": {"threads": arguments.threads, "device": arguments.device}}
    cifar = open_source(f"parquet:{SHARED / 'cifar10'}", DataSettings())
    contested = {"network": {"id": NETWORK}, "training": {"batch_size": BATCH}} | machine
    task = task_on(cifar, contested)
    result: dict[str, Any] = {"command": shlex.join(["python", *sys.argv]), "versions": versions()}
    result |= {"hardware": hardware(task.device), "threads": arguments.threads, "precision": task.precision}
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(task, Path(folder) / "cifar")
        pairs = contest(ours, Bare(task), arguments.rounds, arguments.seconds)
        result |= {"pairs": pairs, "ratio": summarise([pair["ratio"] for pair in pairs])}
        result["cifar10"] = parts_of_a_step(ours, arguments.seconds)
        flowers = open_source(str(SHARED / "flowers"), DataSettings())
        photographs = Ours(task_on(flowers, merge(machine, {"machine": {"workers": 2}})), Path(folder) / "flowers")
        result["flowers"] = parts_of_a_step(photographs, arguments.seconds)
    report(result, task, photographs.task)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    met = result["ratio"]["median"] >= LEAST_RATIO and result["cifar10"]["host share"] <= MOST_HOST_WORK
    print("outcome   " + ("both bounds are met" if met else "a bound is NOT met"))
    return 0 if met else 1


def report(result: dict[str, Any], task: Task, photographs: Task) -> None:
    ratio = result["ratio"]
    print(f"\n{NETWORK}, batch {BATCH}, CIFAR-10 in memory, {task.device} in {task.precision}, channels_last")
    print(
        f"ratio ours / bare: median {ratio['median']:.4f} (n = {ratio['n']} pairs, quartiles "
        f"{ratio['lower quartile']:.4f} and {ratio['upper quartile']:.4f}, min {ratio['min']:.4f}, "
        f"max {ratio['max']:.4f}); bound {LEAST_RATIO}"
    )
    for name in ("ours", "bare"):
        print(f"{name}: median {statistics.median(pair[name] for pair in result['pairs']):.1f} img/s")
    show_parts("CIFAR-10, in memory", result["cifar10"])
    about = f"{photographs.recipe.network.id}, batch {photographs.clock.batch_size}, 2 workers"
    show_parts(f"flowers, {about}, {photographs.preprocessing.crop} px", result["flowers"])
    machine = result["hardware"]
    print(f"command   {result['command']}")
    print("versions  " + ", ".join(f"{name} {version}" for name, version in result["versions"].items()))
    print(f"hardware  {', '.join(machine.values())}, {result['threads']} threads")


if __name__ == "__main__":
    sys.exit(main())
