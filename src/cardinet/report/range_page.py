"""What a range test of the learning rate has found: its sentences and document, and its page with the drawn losses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from cardinet.base.amounts import amount
from cardinet.base.files import write_atomic
from cardinet.base.version import __version__
from cardinet.explain.answer import Answer, Section
from cardinet.explain.figures import Chart, Line
from cardinet.report.explain_page import About, answer_page
from cardinet.train.range_test import RangeTest
from cardinet.train.rate_curve import RULE

SOURCE = "Smith 2015 (arXiv 1506.01186), with rates that rise by a factor as in fastai"

SHOWN = 1.25
"""The highest loss that is drawn, in losses of the untrained network."""


def answer_of(test: RangeTest) -> Answer:
    """The range test as sentences, a figure and plain data."""
    curve = test.curve
    highest = SHOWN * max(curve.smoothed[: len(curve.smoothed) // 4])
    losses, smoothed = (
        tuple((rate, loss) for rate, loss in zip(curve.rates, values, strict=True) if loss <= highest)
        for values in (curve.losses, curve.smoothed)
    )
    mark = None
    if (rate := curve.suggestion) is not None:
        loss = min((abs(math.log(near / rate)), loss) for near, loss in smoothed)[1]
        mark = (rate, loss, f"suggested: {rate:g}")
    cut = "" if max(*curve.losses, *curve.smoothed) <= highest else f"; losses above {highest:.3g} are not drawn"
    chart = Chart(
        "Loss by learning rate",
        "learning rate",
        "loss",
        (Line("each step", losses), Line("smoothed", smoothed)),
        note=f"one step of one training for each rate{cut}",
        mark=mark,
        across="log",
    )
    strip = {"suggestion": "none" if curve.suggestion is None else f"{curve.suggestion:g}"}
    strip["lowest loss at"] = f"{curve.lowest:.2g}"
    strip["diverged at"] = "not reached" if curve.diverged is None else f"{curve.diverged:.2g}"
    strip["steps"] = f"{len(curve.rates):,}"
    rule = f"The suggestion is {RULE} ({SOURCE})."
    return Answer(
        title="Which learning rate?",
        lead=lead(test),
        sections=(Section("Losses at rising rates", (rule, *test.notes), (chart,)),),
        document=document(test),
        strip=strip,
        limits=(
            "A few steps say at which rates training begins to learn, and at which it breaks. They do not say which "
            "rate ends at the lowest error: try also a third and three times as much.",
        ),
    )


def lead(test: RangeTest) -> tuple[str, ...]:
    """What was found, in one to three sentences."""
    curve, batch = test.curve, test.task.clock.batch_size
    if curve.suggestion is None:
        return (
            f"No rate is suggested: over {amount(len(curve.rates), 'step')} from {curve.rates[0]:g} to "
            f"{curve.rates[-1]:.2g} the "
            "loss does not clearly fall.",
            "Look at the pictures and labels first (cardinet check-data), or try a larger batch: its losses vary less.",
        )
    said = [
        f"For batches of {amount(batch, 'picture')}: --lr {curve.suggestion:g}, as the highest rate of the schedule."
    ]
    if test.for_recipe is not None:
        meant = test.task.recipe.optimizer.lr_for_batch
        said.append(f"In a recipe whose rate is meant for batches of {meant:,}: optimizer.lr = {test.for_recipe:g}.")
    end = "the sweep did not diverge" if curve.diverged is None else f"training breaks at {curve.diverged:.2g}"
    said.append(f"The loss is lowest at {curve.lowest:.2g}, and {end}.")
    return tuple(said)


def document(test: RangeTest) -> dict[str, Any]:
    """The range test as plain data."""
    curve, recipe = test.curve, test.task.recipe
    return {
        "network": recipe.network.id,
        "recipe": recipe.name,
        "data": test.task.source.text,
        "optimizer": type(recipe.optimizer).__name__,
        "batch_size": test.task.clock.batch_size,
        "suggestion": curve.suggestion,
        "suggestion_for_recipe": test.for_recipe,
        "rule": RULE,
        "steepest": curve.steepest,
        "lowest": curve.lowest,
        "diverged": curve.diverged,
        "seed": recipe.machine.seed,
        "seconds": round(test.seconds, 2),
        "notes": list(test.notes),
        "rates": list(curve.rates),
        "losses": list(curve.losses),
        "smoothed": list(curve.smoothed),
    }


def write_range_page(test: RangeTest, command: str, path: Path) -> None:
    """Write the page, whole or not at all."""
    task = test.task
    facts = {
        "recipe": task.recipe.name,
        "optimizer": type(task.recipe.optimizer).__name__,
        "batch": f"{amount(task.clock.batch_size, 'picture')}",
        "seed": str(task.recipe.machine.seed),
        "device": f"{task.device}, {task.precision}",
        "time": f"{test.seconds:.1f} s",
    }
    name = task.recipe.network.id
    made = f"Made by Cardinet {__version__}: {command}"
    about = About(
        name, name, f"{task.source.text}, {amount(len(task.source.splits['train']), 'picture')}", facts, (), made
    )
    write_atomic(path, answer_page(answer_of(test), about))
