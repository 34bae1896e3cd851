"""The learning rate range test: some steps of a run at rising rates, and what its losses say (Smith 2015, Section 3.3,
arXiv 1506.01186).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cardinet.base.amounts import amount
from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.base.output_paths import check_new_page
from cardinet.runs.ranks import ALONE, Ranks
from cardinet.train.job import made_ready
from cardinet.train.listener import Listener
from cardinet.train.rate_curve import Explosion, RateCurve, read_curve
from cardinet.train.request import Request, Resolved, resolve
from cardinet.train.task import Task
from cardinet.train.trainee import Trainee
from cardinet.train.training_step import NonFinite
from cardinet.train.whole_step import train_batches, whole_step

LEAST = 10
"""The number of steps before an explosion from which a curve can be read."""


@dataclass(frozen=True)
class Sweep:
    """The rates of a range test: `steps` rates from `low` to `high`, each the same factor above the one before it.

    After `seconds` the sweep ends where it is.
    """

    low: float = 1e-5
    high: float = 10.0
    steps: int = 100
    seconds: float = 600.0

    def rates(self) -> Iterator[float]:
        """The rates in order."""
        for i in range(self.steps):
            yield self.low * (self.high / self.low) ** (i / (self.steps - 1))


@dataclass(frozen=True)
class RangeTest:
    """A finished range test: the task, the curve of its losses, the seconds it took, and sentences on how to read it.

    `for_recipe` is the suggestion as the `lr` of a recipe whose rate is meant for another batch; else None.
    """

    task: Task
    curve: RateCurve
    seconds: float
    notes: tuple[str, ...]
    for_recipe: float | None = None


def resolve_range_test(request: Request, page: Path | None, listener: Listener, ranks: Ranks = ALONE) -> Resolved:
    """Check a request and the place of the page. Raises RequestError with all findings; no run folder is made."""
    findings = Findings()
    with findings:
        if not ranks.alone:
            raise RequestError(f"--find-lr is the work of one process, and this is {ranks.count}: start one.")
    with findings:
        if request.watch:
            raise RequestError("--find-lr keeps no run, so there is nothing to watch; omit --watch.")
    with findings:
        if page is not None:
            check_new_page(page)
    resolved = None
    with findings:
        resolved = resolve(replace(request, out=None, watch=()), listener)
    findings.raise_if_any()
    assert resolved is not None
    return resolved


def range_test(resolved: Resolved, listener: Listener, sweep: Sweep = Sweep()) -> RangeTest:
    """Train at rising rates from the first weights of the run, on its batches, until the loss explodes or the end.

    Nothing is written, and the weights are thrown away. The losses are a function of what decides a run's bits. Raises
    WorkError if the loss explodes at once.
    """
    resolved, subject = made_ready(resolved, listener)
    started = time.perf_counter()
    rates, losses, ended = _swept(resolved.task, subject, listener, sweep, started)
    if len(losses) < LEAST:
        raise WorkError(
            f"The loss explodes after {amount(len(losses), 'step')} at the lowest rates, from {sweep.low:g} on: "
            "the rate is not "
            "the cause. Look at the pictures (cardinet check-data), the precision and the settings of the network."
        )
    curve = read_curve(rates, losses, ended if ended is not None and ended < sweep.high else None)
    return _reported(resolved.task, curve, time.perf_counter() - started, sweep)


def _swept(
    task: Task, subject: Trainee, listener: Listener, sweep: Sweep, started: float
) -> tuple[list[float], list[float], float | None]:
    """The rates and losses of the steps, and the rate at which the loss exploded."""
    rates: list[float] = []
    losses: list[float] = []
    watch = Explosion()
    subject.network.train()
    batches = train_batches(task)
    try:
        stream = batches.stream(0)
        for done, rate in enumerate(sweep.rates()):
            try:
                loss = whole_step(task, subject, next(stream), done, rate)[0].item()
            except NonFinite:
                return rates, losses, rate
            if watch.grown(loss):
                return rates, losses, rate
            rates.append(rate)
            losses.append(loss)
            listener.progress("trying learning rates", done + 1, sweep.steps)
            if time.perf_counter() - started > sweep.seconds:
                break
    finally:
        batches.close()
    return rates, losses, None


def _reported(task: Task, curve: RateCurve, seconds: float, sweep: Sweep) -> RangeTest:
    """The test with its sentences."""
    optimizer, batch = task.recipe.optimizer, task.clock.batch_size
    scaling = optimizer.rate(batch) / optimizer.lr
    notes = [
        f"The schedule ({type(task.recipe.schedule).__name__}) is ignored: the rate rises in each step. The suggestion "
        "is the highest rate of a schedule."
    ]
    if optimizer.layer_decay != 1 or any(method.rewrites() for method in task.recipe.methods.values()):
        notes.append("The rates of layers and groups keep their proportion; the rate is that of the head.")
    if curve.diverged is None and len(curve.rates) < sweep.steps:
        notes.append(
            f"The sweep ended after {sweep.seconds:,.0f} seconds, at the rate {curve.rates[-1]:.3g} of {sweep.high:g}: "
            "another machine would end elsewhere."
        )
    for_recipe = None
    if curve.suggestion is not None and scaling != 1:
        for_recipe = float(f"{curve.suggestion / scaling:.3g}")
    return RangeTest(task, curve, seconds, tuple(notes), for_recipe)
