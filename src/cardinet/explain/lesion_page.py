"""The answer of the question `lesion`: sentences, charts and tables from the scores of its experiments."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cardinet.base.amounts import amount
from cardinet.explain.answer import Section
from cardinet.explain.figures import Bar, Bars, Chart, Figure, Format, Line, Table
from cardinet.explain.lesions import Score, Variation
from cardinet.explain.percent import percent
from cardinet.explain.units import Unit

AS_IS, ESTIMATED = "file's statistics", "estimated again"
OF_CONTRAST = {AS_IS: "contrast", ESTIMATED: "contrast, estimated"}
"""How the lines of the contrast are called."""
NAMED = 12
"""So many layers that cannot be deleted are named; of more only the number is said."""


@dataclass(frozen=True)
class EachUnit:
    """The scores of the whole network, and after the deletion of each unit; `steps` is the length of its chain."""

    whole: Variation
    units: Sequence[Unit]
    deleted: Sequence[Variation]
    fixed: Sequence[str]
    steps: int

    @property
    def compared(self) -> tuple[list[Variation], str]:
        """The deletions over which means are taken: units that keep the shape, if there are any; and their words."""
        keeping = [one for unit, one in zip(self.units, self.deleted, strict=True) if unit.keeps_shape]
        found, words = (keeping, " that keep{} the shape") if keeping else ([*self.deleted], "")
        if len(found) == 1:
            return found, f"its only unit{words.format('s')}"
        return found, f"one of its {len(found)} units{words.format('')}"

    def errors(self) -> list[float]:
        """The errors without each of the compared units, with the file's statistics."""
        return [one.as_is.error for one in self.compared[0]]


@dataclass(frozen=True)
class Drawn:
    """The scores of one random change at a place on the axis."""

    x: float
    as_is: Score
    estimated: Score | None


@dataclass(frozen=True)
class Lesions:
    """The scores of all experiments on a model.

    `pictures` were answered without each unit, `few` in the random experiments. The statistics are from `train`.
    """

    each: EachUnit
    deleted: Sequence[Drawn]
    moved: Sequence[Drawn]
    pictures: int
    few: int
    train: int


def lead(own: Lesions, other: Lesions | None) -> list[str]:
    """What was found, in a few sentences."""
    each = own.each
    name, worst = max(
        ((unit.name, one.as_is) for unit, one in zip(each.units, each.deleted, strict=True)), key=lambda x: x[1].error
    )
    kept, which = each.compared
    mean = statistics.fmean(each.errors())
    found = [
        f"The whole network errs on {percent(each.whole.as_is.error)} of the pictures. Without {which} it errs on "
        f"{percent(mean)}{' on average' * (len(kept) > 1)}.",
        f"The error is highest without {name}: {percent(worst.error)}.",
    ]
    if other is not None:
        theirs = statistics.fmean(other.each.errors())
        whole = other.each.whole.as_is.error
        found.append(f"The contrast errs on {percent(whole)}, and without one unit on {percent(theirs)} on average.")
    return found


def strip(own: Lesions, other: Lesions | None) -> dict[str, str]:
    """The few numbers that stand above all."""
    errors = own.each.errors()
    found = {
        "error of the whole": percent(own.each.whole.as_is.error),
        "without one unit, mean": percent(statistics.fmean(errors)),
        "without one unit, worst": percent(max(one.as_is.error for one in own.each.deleted)),
    }
    if other is not None:
        found["contrast, without one unit"] = percent(statistics.fmean(other.each.errors()))
    return found


def limits(estimates: bool, folded: bool) -> list[str]:
    """What the answer does not say."""
    found = [
        "A network with non-linear units has no single path that could be cut out: a kept branch sees the sum of all "
        "that was kept before it.",
        "The units behind a deleted unit see maps that they were not trained on. The estimated statistics mend only "
        "the means and variances there.",
    ]
    if not estimates:
        found.append("No BN statistics were estimated again: there are no training pictures, no BN, or estimate = 0.")
    if folded:
        found.append(
            "BN is folded into the layers of this network: what was folded into the last layer of a unit is deleted "
            "with it, also if it belonged to the BN after the unit."
        )
    return found


def document(own: Lesions, other: Lesions | None) -> dict[str, object]:
    """Every number as plain data."""
    return {**_document(own), "contrast": None if other is None else _document(other)}


def sections(own: Lesions, other: Lesions | None) -> list[Section]:
    """The parts of the page."""
    units = len(own.each.units)
    deleted = (
        f"So many of the {units} units are deleted at random. To keep the branches of only k random units is to delete "
        f"the other {units} - k, so the chart and the table answer both."
    )
    moved = "Pairs of units of one shape change places; Kendall's tau is 1 for the trained order, -1 for its reverse."
    table = _table("Deleted and kept units", ("deleted", "kept"), own.deleted, units)
    several = [*_random_charts("Error by deleted units", "deleted units", own, other, "deleted"), table]
    charts = _random_charts("Error by order", "Kendall's tau of the order", own, other, "moved")
    if not own.moved:
        charts, moved = [], "No two units have one shape that they keep, so none can change places."
    return [
        _each_section(own, other),
        Section("Several units deleted, only some kept", [deleted], several),
        Section("Units exchanged", [moved], charts),
    ]


def _each_section(own: Lesions, other: Lesions | None) -> Section:
    each = own.each
    bars = []
    for unit, one in zip(each.units, each.deleted, strict=True):
        bars.append(Bar(unit.name, one.as_is.error))
        if one.estimated is not None:
            bars.append(Bar(unit.name, one.estimated.error, series=1))
    series = [AS_IS, ESTIMATED] if own.train else [AS_IS]
    level = (each.whole.as_is.error, "whole network")
    figures: list[Figure] = [
        Bars("Error without each unit", "unit", "error", bars, series, format="percent", level=level)
    ]
    if other is not None:
        lines = [*_by_place(each, {}), *_by_place(other.each, OF_CONTRAST)]
        title = "Error without each unit, beside the contrast"
        figures.append(Chart(title, "place in the network, from 0 to 1", "error", lines, format="percent"))
    rows = [
        (unit.name, "yes" if unit.keeps_shape else "no", *_values(one))
        for unit, one in zip(each.units, each.deleted, strict=True)
    ]
    columns = ("unit", "keeps the shape", "error", "loss", "error, estimated again", "loss, estimated again")
    formats: tuple[Format | None, ...] = (None, None, "percent", None, "percent", None)
    figures.append(Table("Every unit", columns, rows, formats, folded=len(rows) > NAMED))
    text = [f"One unit at a time is deleted; {amount(own.pictures, 'picture')}, each counted once.", *_said(each)]
    if own.train:
        text.append(
            f"The BN statistics behind the deleted unit are also estimated again, from {own.train:,} training pictures."
        )
    if other is not None:
        text += [f"In the contrast: {sentence[0].lower()}{sentence[1:]}" for sentence in _said(other.each)]
    return Section("One unit deleted", text, figures)


def _said(each: EachUnit) -> list[str]:
    """What deleting means for the units of a network, and what cannot be deleted."""
    kinds = list(dict.fromkeys(str(unit.deletion) for unit in each.units))
    if not each.fixed:
        return kinds
    if len(each.fixed) > NAMED:
        return [*kinds, f"{len(each.fixed)} layers change the shape and have no shortcut, so they cannot be deleted."]
    return [*kinds, f"Layers that change the shape and have no shortcut cannot be deleted: {', '.join(each.fixed)}."]


def _by_place(each: EachUnit, names: Mapping[str, str]) -> list[Line]:
    """The errors without each unit along the network, from its first step at 0 to its last at 1."""
    places = [unit.first / (each.steps - 1) for unit in each.units]
    lines = [(AS_IS, [(x, one.as_is.error) for x, one in zip(places, each.deleted, strict=True)])]
    again = [(x, one.estimated.error) for x, one in zip(places, each.deleted, strict=True) if one.estimated is not None]
    lines.append((ESTIMATED, again))
    return [Line(names.get(name, name), sorted(points), dots=True) for name, points in lines if points]


def _random_charts(title: str, axis: str, own: Lesions, other: Lesions | None, what: str) -> list[Figure]:
    """Lines through the means of the draws at each place, with the range of the draws."""
    lines = _lines(getattr(own, what), {})
    if other is not None:
        lines += _lines(getattr(other, what), OF_CONTRAST)
    note = f"{amount(own.few, 'picture')}; bands: all draws"
    return [Chart(title, axis, "error", lines, note, format="percent")]


def _lines(drawn: Sequence[Drawn], names: Mapping[str, str]) -> list[Line]:
    found = []
    for name in (AS_IS, ESTIMATED):
        points = sorted(_by_x(drawn, name).items())
        if points:
            means = [(x, statistics.fmean(errors)) for x, errors in points]
            band = [(x, min(errors), max(errors)) for x, errors in points]
            found.append(Line(names.get(name, name), means, band, dots=True))
    return found


def _table(title: str, places: tuple[str, str], drawn: Sequence[Drawn], units: int) -> Table:
    """Mean and standard deviation over the draws, for each number of deleted units."""
    figures = ("draws", "error", "spread", "estimated_error", "estimated_spread")
    rows = [(int(x), units - int(x), *(row.get(key) for key in figures)) for x, row in _means(drawn).items()]
    columns = (*places, "draws", "mean error", "spread", "mean error, estimated again", "spread, estimated again")
    formats: tuple[Format | None, ...] = ("integer", "integer", "integer", "percent", "percent", "percent", "percent")
    note = "spread: standard deviation over the draws"
    return Table(title, columns, rows, formats, note, folded=len(rows) > NAMED)


def _means(drawn: Sequence[Drawn]) -> dict[float, dict[str, float | None]]:
    """Mean and standard deviation of the error over the draws at each place, and the number of draws."""
    again = _by_x(drawn, ESTIMATED)
    found: dict[float, dict[str, float | None]] = {}
    for x, errors in sorted(_by_x(drawn, AS_IS).items()):
        found[x] = {"draws": len(errors), **dict(zip(("error", "spread"), _mean_and_spread(errors), strict=True))}
        if x in again:
            keys = ("estimated_error", "estimated_spread")
            found[x] |= dict(zip(keys, _mean_and_spread(again[x]), strict=True))
    return found


def _by_x(drawn: Sequence[Drawn], statistics_name: str) -> dict[float, list[float]]:
    """The errors of all draws at each place; none if no statistics were estimated."""
    found: dict[float, list[float]] = {}
    for one in drawn:
        score = one.as_is if statistics_name == AS_IS else one.estimated
        if score is not None:
            found.setdefault(round(one.x, 2), []).append(score.error)
    return found


def _mean_and_spread(errors: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard deviation; one draw has no deviation."""
    return statistics.fmean(errors), statistics.stdev(errors) if len(errors) > 1 else None


def _values(one: Variation) -> tuple[float | None, ...]:
    again = (None, None) if one.estimated is None else (one.estimated.error, one.estimated.loss)
    return (one.as_is.error, one.as_is.loss, *again)


def _document(found: Lesions) -> dict[str, object]:
    each, units = found.each, len(found.each.units)
    rows = [
        {
            "unit": unit.name,
            "stage": unit.stage,
            "keeps_shape": unit.keeps_shape,
            "deletion": str(unit.deletion),
            **_figures(one.as_is, one.estimated),
        }
        for unit, one in zip(each.units, each.deleted, strict=True)
    ]
    return {
        "pictures": found.pictures,
        "random_pictures": found.few,
        "training_pictures": found.train,
        "whole": _figures(each.whole.as_is, None),
        "units": rows,
        "fixed": list(each.fixed),
        "delete": [
            {"deleted": int(one.x), "kept": units - int(one.x), **_figures(one.as_is, one.estimated)}
            for one in found.deleted
        ],
        "delete_means": [
            {"deleted": int(x), "kept": units - int(x), **row} for x, row in _means(found.deleted).items()
        ],
        "exchange": [{"tau": one.x, **_figures(one.as_is, one.estimated)} for one in found.moved],
        "exchange_means": [{"tau": x, **row} for x, row in _means(found.moved).items()],
    }


def _figures(as_is: Score, estimated: Score | None) -> dict[str, object]:
    found: dict[str, object] = {"error": as_is.error, "loss": as_is.loss}
    if estimated is not None:
        found |= {"estimated_error": estimated.error, "estimated_loss": estimated.loss}
    return found
