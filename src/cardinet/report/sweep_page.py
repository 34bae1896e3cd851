"""The page of a sweep: its trials as lines over their settings, and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from cardinet.base.amounts import amount
from cardinet.base.files import write_atomic
from cardinet.base.version import __version__
from cardinet.report import number_text, scales
from cardinet.report.explain_page import setting_text
from cardinet.report.figures import tick_text
from cardinet.report.parallel import Across, Axis, parallel
from cardinet.report.scales import Scale
from cardinet.report.templating import environment
from cardinet.sweep.job import Result
from cardinet.sweep.space import Choices, Dimension
from cardinet.sweep.sweep_folder import Outcome

TICKS = 6
MOST_POINTS = 8
"""The most values of a range that are all ticks of its axis."""
WIDE = 6
"""Errors that differ by a larger factor are shown on an axis that spreads the small ones."""


def ranked(result: Result) -> list[Outcome]:
    """The trials from the best to the worst; those without a measure come last, by number."""
    return sorted(result.outcomes, key=lambda one: (one.measure is None, one.measure or 0.0, one.record.number))


def measure_text(measure: float | None, metric: str) -> str:
    """A measure with its name: "error 4.25 %"."""
    return f"{metric} {measured(measure, metric)}"


def measured(measure: float | None, metric: str) -> str:
    """A measure as text."""
    return number_text.percent(measure) if metric == "error" else number_text.significant(measure, 4)


def settings_text(values: Mapping[str, Any]) -> str:
    """The settings of a trial as a user would write them."""
    return ", ".join(f"{key}={setting_text(value)}" for key, value in values.items())


def cells(outcome: Outcome, metric: str, keys: Sequence[str]) -> list[str]:
    """A row of the table of trials: number, measure, state, and the settings in the order of `keys`."""
    own = [setting_text(outcome.record.values[key]) if key in outcome.record.values else "" for key in keys]
    return [str(outcome.record.number), measured(outcome.measure, metric), outcome.state, *own]


def write_page(path: Path, name: str, result: Result) -> None:
    """Write the page, whole or not at all. An earlier one is replaced."""
    write_atomic(path, page(name, result))


def page(name: str, result: Result) -> str:
    """The page as an HTML document; every text is escaped."""
    file, metric, keys = result.file, result.file.metric, [*result.file.space]
    states = [outcome.state for outcome in result.outcomes]
    best = result.best
    strip = {f"best validation {metric}": measured(best.measure, metric) if best else number_text.MISSING}
    strip |= {"trials": str(len(states)), "sampler": file.sampler}
    strip |= {state: str(states.count(state)) for state in ("ended early", "failed", "not finished") if state in states}
    rows = [(outcome, cells(outcome, metric, keys)) for outcome in ranked(result)]
    shown = (
        environment()
        .get_template("sweep.html.j2")
        .render(
            name=name,
            best=best,
            best_settings=settings_text(best.record.values) if best else "",
            metric=metric,
            strip=strip,
            figure=_figure(result) if best else Markup(""),
            keys=keys,
            rows=rows,
            common=_common(result),
            made=f"Made by Cardinet {__version__}",
        )
    )
    return shown.strip() + "\n"


def _common(result: Result) -> dict[str, str]:
    """What all trials have in common."""
    file = result.file
    named = {"network": file.network, "recipe": file.recipe, "data": file.data, "weights": file.weights}
    found = {key: str(value) for key, value in named.items() if value is not None}
    found |= {key: setting_text(value) for key, value in file.settings.items()}
    found["seed of the draws"] = str(file.seed)
    if file.stopping is not None:
        found["stopping"] = ", ".join(f"{key} {value}" for key, value in file.stopping.model_dump().items())
    return found


def _figure(result: Result) -> Markup:
    """Parallel coordinates: an axis for each setting, and the measure as the last one."""
    metric, order = result.file.metric, [one for one in ranked(result) if one.measure is not None]
    values = [one.measure for one in order if one.measure is not None]
    wide = max(values) > WIDE * min(values)
    y = scales.for_error(values) if wide and metric == "error" else scales.linear(values)
    dimensions = result.file.dimensions()
    axes = [_axis(_short(key, dimensions), dimension) for key, dimension in dimensions.items()]
    tick = tick_text("percent" if metric == "error" else "number")
    axes.append(Axis(f"validation {metric}", [(y.position(at), tick(at)) for at in y.ticks(TICKS)]))
    lines = []
    for rank, one in enumerate(order):
        heights = [_height(dimension, one.record.values[key]) for key, dimension in dimensions.items()]
        title = f"trial {one.record.number}, {measure_text(one.measure, metric)}: {settings_text(one.record.values)}"
        strength = 1 - rank / max(1, len(order) - 1)
        assert one.measure is not None
        at = y.position(one.measure)
        lines.append(Across([*heights, at], title, strength, best=rank == 0, dashed=one.state == "ended early"))
    return parallel(axes, lines, f"The settings and the validation {metric} of {amount(len(order), 'trial')}.")


def _short(key: str, keys: Iterable[str]) -> str:
    """The last word of a setting's key, if no other setting ends in it."""
    last = key.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in keys) == 1 else key


def _scale(dimension: Dimension) -> Scale:
    assert not isinstance(dimension, Choices)
    return Scale("log" if dimension.log else "linear", dimension.low, dimension.high)


def _axis(key: str, dimension: Dimension) -> Axis:
    if isinstance(dimension, Choices):
        return Axis(key, [(_height(dimension, value), setting_text(value)) for value in dimension.values])
    scale = _scale(dimension)
    if dimension.grid is not None and not dimension.log and dimension.count <= MOST_POINTS:
        return Axis(key, [(scale.position(at), number_text.number(at)) for at in dimension.points])
    return Axis(key, [(scale.position(at), number_text.number(at)) for at in scale.ticks(TICKS)])


def _height(dimension: Dimension, value: Any) -> float:
    """The height of a value on its axis. Choices stand at equal distances."""
    if isinstance(dimension, Choices):
        count = len(dimension.values)
        return dimension.values.index(value) / (count - 1) if count > 1 else 0.5
    return _scale(dimension).position(float(value))
