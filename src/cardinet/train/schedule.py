"""The learning rate as a function of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cardinet.base.durations import Duration
from cardinet.base.errors import RequestError
from cardinet.train.recipe import Recipe


@dataclass(frozen=True)
class Clock:
    """The durations of a recipe in steps."""

    steps_per_epoch: int
    batch_size: int
    length: int
    log_every: int
    evaluate_every: int
    warmup: int
    drops: tuple[int, ...]

    def epoch(self, step: int) -> float:
        """The epochs done after `step` steps."""
        return step / self.steps_per_epoch

    def evaluates(self, step: int) -> bool:
        return step % self.evaluate_every == 0 or step == self.length

    def logs(self, step: int) -> bool:
        return step % self.log_every == 0 or step == self.length


def clock(recipe: Recipe, steps_per_epoch: int, batch_size: int) -> Clock:
    """Convert every duration of a recipe. Raises RequestError where one is shorter than a step."""

    def steps(duration: Duration, whole: int | None = None) -> int:
        return duration.steps(steps_per_epoch=steps_per_epoch, batch_size=batch_size, whole=whole)

    length = steps(recipe.training.length)
    if length < 1:
        raise RequestError(
            f'training.length = "{recipe.training.length}" is less than one step of {batch_size} pictures.'
        )
    made = Clock(
        steps_per_epoch=steps_per_epoch,
        batch_size=batch_size,
        length=length,
        log_every=steps(recipe.training.log_every, length),
        evaluate_every=steps(recipe.training.evaluate_every, length),
        warmup=steps(recipe.schedule.warmup, length),
        drops=tuple(steps(d, length) for d in recipe.schedule.drops),
    )
    for name in ("log_every", "evaluate_every"):
        if getattr(made, name) < 1:
            raise RequestError(f'training.{name} = "{getattr(recipe.training, name)}" is less than one step.')
    _check(recipe, made)
    return made


def _check(recipe: Recipe, clock: Clock) -> None:
    """Raise RequestError with everything in a schedule that would do nothing, or not what was meant."""
    schedule, wrong = recipe.schedule, []
    if list(clock.drops) != sorted(clock.drops):
        wrong.append("schedule.drops must rise; write them in order.")
    if clock.drops and clock.drops[-1] >= clock.length and not _within(schedule.drops[-1]):
        wrong.append(
            f'schedule.drops: "{schedule.drops[-1]}" is step {clock.drops[-1]:,}, and the run ends after '
            f"{clock.length:,}; give drops in percent, or fewer."
        )
    if clock.drops and schedule.kind != "step":
        wrong.append(f'schedule.drops belong to kind = "step", not to "{schedule.kind}"; leave one of them out.')
    if clock.warmup >= clock.length and not _within(schedule.warmup):
        wrong.append(f'schedule.warmup = "{schedule.warmup}" is as long as the run or longer; shorten it.')
    if wrong:
        raise RequestError(*wrong)


def _within(duration: Duration) -> bool:
    """Whether a duration is a part of the run, however few steps that has."""
    return duration.unit == "%" and duration.amount < 100


def learning_rate(recipe: Recipe, clock: Clock, step: int) -> float:
    """The rate of the step after `step` steps are done.

    A linear warm-up that rises from warmup_from * lr by equal parts and ends at lr, then: `constant`;
    `step`, times `factor` at each of the drops;
    `cosine` (Loshchilov and Hutter 2016), from lr at the end of the warm-up to final * lr after the last step.
    """
    schedule, lr = recipe.schedule, recipe.optimizer.lr
    if step < clock.warmup:
        share = (step + 1) / clock.warmup
        return lr * (schedule.warmup_from + (1 - schedule.warmup_from) * share)
    if schedule.kind == "step":
        return lr * schedule.factor ** sum(step >= drop for drop in clock.drops)
    if schedule.kind == "cosine":
        share = (step - clock.warmup) / max(1, clock.length - clock.warmup)
        return lr * (schedule.final + (1 - schedule.final) * 0.5 * (1 + math.cos(math.pi * share)))
    return lr
