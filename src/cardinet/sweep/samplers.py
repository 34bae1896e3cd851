"""The samplers: from the number of a trial, the seed and what earlier trials have shown to settings.

Grid and random draws depend on the number of the trial and the seed alone. Those of Optuna also depend on the results
of earlier trials; where trials run side by side, on those that are finished when one begins.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardinet.base.errors import RequestError
from cardinet.base.randomness import hash64, permutation, uniforms
from cardinet.sweep.space import Choices, Dimension
from cardinet.sweep.sweep_file import SweepFile

Values = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What is known of an earlier trial: its settings, and its measure if it has come to its end."""

    values: Mapping[str, Any]
    measure: float | None


Draw = Callable[[int, Sequence[Told]], Values]
"""The settings of the trial of this number, from those of all earlier ones, in order."""


def sampler(file: SweepFile) -> tuple[Draw, int]:
    """The draws of a sweep, and the number of its trials. Raises RequestError if a library is missing."""
    dimensions = file.dimensions()
    if file.sampler == "grid":
        sizes = [len(dimension.points) for dimension in dimensions.values()]
        size = math.prod(sizes)
        count = min(size, file.trials or size)
        return _grid(dimensions, sizes, file.seed, whole=count == size), count
    assert file.trials is not None
    if file.sampler == "random":
        return _random(dimensions, file.seed), file.trials
    check_library(file)
    return _optuna(dimensions, file.seed, file.sampler), file.trials


def check_library(file: SweepFile) -> None:
    """Raise RequestError, with the extra that installs it, if the sampler is one of Optuna, which is not installed."""
    if file.sampler not in ("grid", "random") and importlib.util.find_spec("optuna") is None:
        raise RequestError(
            f'sampler = "{file.sampler}" needs optuna, which is not installed: pip install "cardinet[ray]". The '
            "samplers random and grid need nothing."
        )


def _grid(dimensions: Mapping[str, Dimension], sizes: Sequence[int], seed: int, *, whole: bool) -> Draw:
    """All points in order, the last setting changing first; of fewer trials those that the seed chooses."""
    order = None if whole else permutation(seed, 0, math.prod(sizes))

    def draw(number: int, told: Sequence[Told]) -> Values:
        place, found = number if order is None else int(order[number]), {}
        for (key, dimension), size in reversed(list(zip(dimensions.items(), sizes, strict=True))):
            place, index = divmod(place, size)
            found[key] = dimension.points[index]
        return {key: found[key] for key in dimensions}

    return draw


def _random(dimensions: Mapping[str, Dimension], seed: int) -> Draw:
    def draw(number: int, told: Sequence[Told]) -> Values:
        return {key: each.at(float(uniforms(seed, number, key, 0)[0, 0])) for key, each in dimensions.items()}

    return draw


def _optuna(dimensions: Mapping[str, Dimension], seed: int, name: str) -> Draw:
    """The draws of a sampler of Optuna. Its study is made anew from the earlier trials, so it has no own state."""

    def draw(number: int, told: Sequence[Told]) -> Values:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        states, start = optuna.trial.TrialState, int(hash64(seed, number)[0] % 2**32)
        space = {key: _distribution(each) for key, each in dimensions.items()}
        if name == "TPE":
            chosen: Any = optuna.samplers.TPESampler(seed=start, constant_liar=True)
        else:
            chosen = optuna.samplers.GPSampler(seed=start)
        study = optuna.create_study(sampler=chosen)
        for one in told:
            known = one.measure is not None and math.isfinite(one.measure)
            study.add_trial(
                optuna.trial.create_trial(
                    state=states.COMPLETE if known else states.RUNNING,
                    value=one.measure if known else None,
                    params={key: _parameter(each, one.values[key]) for key, each in dimensions.items()},
                    distributions=space,
                )
            )
        found = study.ask(space).params
        return {key: _value(each, found[key]) for key, each in dimensions.items()}

    return draw


def _distribution(each: Dimension) -> Any:
    import optuna

    if isinstance(each, Choices):
        return optuna.distributions.CategoricalDistribution(range(len(each.values)))
    high = each.high if each.grid is None or each.log else float(each.point(each.count - 1))
    if each.whole:
        return optuna.distributions.IntDistribution(
            int(each.low), int(high), log=each.log, step=1 if each.log else int(each.grid or 1)
        )
    return optuna.distributions.FloatDistribution(each.low, high, log=each.log, step=each.step)


def _parameter(each: Dimension, value: Any) -> Any:
    """What Optuna is told of a value: a choice by its place, as choices may be lists."""
    return each.values.index(value) if isinstance(each, Choices) else value


def _value(each: Dimension, parameter: Any) -> Any:
    return each.values[parameter] if isinstance(each, Choices) else each.plain(parameter)
