"""What a calibration found: the reliability diagram, the figures with their spread, in sentences and as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cardinet.data.splitting import pictures_of
from cardinet.evaluate.calibration import Bin, Calibration, Spread
from cardinet.evaluate.temperature import Temperature
from cardinet.explain.answer import Answer, Section
from cardinet.explain.figures import Bar, Bars, Chart, Line, Table
from cardinet.explain.percent import percent


@dataclass(frozen=True)
class Found:
    """What was measured on `split`, and the temperature that was fitted to `fitted_on`, if one was.

    `counts` are the pictures of each class in `split`. With `halves` both are halves of one split. `known`: the model
    was trained on this source, so it is known that the pictures of `fitted_on` were held out. `change` is after -
    before. `refused` says why no temperature was found.
    """

    split: str
    counts: Mapping[str, int]
    before: Calibration
    fit: Temperature | None = None
    fitted_on: str = ""
    halves: bool = False
    known: bool = True
    after: Calibration | None = None
    change: Mapping[str, Spread] | None = None
    stored: Path | None = None
    refused: str = ""

    def to_document(self, temperature: float) -> dict[str, Any]:
        """Plain data for a model that has a `temperature` already.

        `value` is the temperature of its present logits, `stored` that of the logits without any.
        """
        document: dict[str, Any] = {"measured_on": self.split, "before": self.before.to_document()}
        document["pictures_by_class"] = dict(self.counts)
        if self.fit is None or self.after is None:
            return document | ({"refused": self.refused} if self.refused else {})
        about = {"split": self.fitted_on, **asdict(self.fit), "stored": self.fit.value * temperature}
        change = {name: asdict(spread) for name, spread in (self.change or {}).items()}
        document |= {"temperature": about, "after": self.after.to_document(), "change": change}
        return document | {"store": None if self.stored is None else str(self.stored)}


def calibration_answer(found: Found, temperature: float) -> Answer:
    """The answer; `temperature` is that of the model as it is."""
    before, after, fit = found.before, found.after, found.fit
    sections = [_diagram(found), _figures(found), _by_class(found)]
    strip = {"error": percent(before.error), "ECE": percent(before.ece.value), "log loss": f"{before.nll.value:.4g}"}
    if fit is not None and after is not None:
        strip |= {
            "temperature": f"{fit.value:.4g} \u00b1 {fit.error:.2g}",
            "ECE at it": percent(after.ece.value),
            "log loss at it": f"{after.nll.value:.4g}",
        }
    return Answer("Calibration", _lead(found), sections, found.to_document(temperature), strip, _limits(found))


def _by_class(found: Found) -> Section:
    """The calibration of each class."""
    after = [None] * len(found.counts) if found.after is None else list(found.after.by_class)
    rows = [
        (*counted, before, later)
        for counted, before, later in zip(found.counts.items(), found.before.by_class, after, strict=True)
    ]
    columns = ("class", "pictures", "ECE of its probability", "at the temperature")
    table = Table("Every class", columns, rows, (None, "integer", "percent", "percent"), folded=len(rows) > 20)
    text = "The same error for the probability of each class, over all pictures, whatever the answer was."
    return Section("By class", [text], [table])


def _lead(found: Found) -> list[str]:
    before, after, fit = found.before, found.after, found.fit
    right, sure = 1 - before.error, before.confidence
    gap = "too sure" if sure > right else "not sure enough"
    if abs(sure - right) < 0.01:
        gap = "about as sure as it is right"
    said = [
        f"The network is right for {percent(right)} of the {pictures_of(found.split, before.count)}, and gives its "
        f"answers a probability of {percent(sure)} on average: it is {gap}. Its expected calibration error (ECE) is "
        f"{_spread(before.ece, percent)}."
    ]
    if found.refused:
        said.append(f"It is measured without a temperature. {found.refused}")
    if fit is None or after is None or found.change is None:
        return said
    if f"{fit.value:.4g}" == "1":
        said.append(f"The best temperature for the {pictures_of(found.fitted_on, fit.count)} is 1.")
    else:
        said.append(
            f"At the temperature {fit.value:.4g}, fitted to {pictures_of(found.fitted_on, fit.count)}, the ECE is "
            f"{_spread(after.ece, percent)} and the log loss {after.nll.value:.4g} instead of {before.nll.value:.4g} "
            f"(change {_spread(found.change['nll'], _signed)}). No answer changes."
        )
    if found.stored is not None:
        said.append(f"{found.stored} is the model with this temperature in its logits.")
    return said


def _limits(found: Found) -> list[str]:
    said = [
        "The ECE depends on the bins, and of few pictures it is above 0 for perfect probabilities too."
        + (" The intervals hold 95 % of the bootstrap samples." if found.before.ece.low is not None else ""),
        "Probabilities that are calibrated on these pictures need not be so on pictures of another kind.",
    ]
    if found.fit is None:
        return said
    if found.halves:
        said.append("The temperature was fitted to one half of the pictures, and is measured on the other half.")
    elif found.fitted_on == found.split:
        said.append(
            "The temperature was fitted to the same pictures on which it is measured, so the figures at it are a "
            "little too good."
        )
    else:
        said.append(f"The {pictures_of(found.split)} were not used for the fit.")
    if not found.known:
        said.append(
            "Whether the network was trained on the pictures of the fit is unknown. If it was, the temperature is too "
            "low."
        )
    elif found.fitted_on == "validation":
        said.append("The validation pictures also chose the weights of the run, which makes them a little too easy.")
    return said


def _series(found: Found) -> list[tuple[str, Calibration]]:
    """The measured calibrations by name."""
    series = [("as it is", found.before)]
    if found.fit is not None and found.after is not None:
        series.append((f"at the temperature {found.fit.value:.3g}", found.after))
    return series


def _diagram(found: Found) -> Section:
    """The reliability diagram, with the pictures in each bin below it."""
    series = _series(found)
    lines = [_line(name, one.bins) for name, one in series]
    level = Line("confidence = accuracy", [(0.0, 0.0), (1.0, 1.0)])
    bars = [
        Bar(f"{100 * one.high:.0f} %", one.count, series=i) for i, (_, each) in enumerate(series) for one in each.bins
    ]
    note = "The band is the 95 % interval of each bin (Wilson)."
    chart = Chart("Reliability diagram", "confidence", "accuracy", [*lines, level], note, "percent")
    mass = [_line(name, one.mass_bins) for name, one in series]
    title = "The same with equally many pictures in each bin"
    same = Chart(title, "confidence", "accuracy", [*mass, level], note, "percent")
    names = [name for name, _ in series]
    counts = Bars("Pictures in each bin", "confidence up to", "pictures", bars, names, format="integer")
    tables = [_bins(f"Every bin, {name}", one.bins) for name, one in series]
    text = "Pictures are put into bins by the probability of their answer. Calibrated answers lie on the diagonal."
    return Section("Reliability", [text], [chart, counts, same, *tables])


def _line(name: str, bins: Sequence[Bin]) -> Line:
    known = [(one.confidence, one.accuracy, one.interval) for one in bins]
    points = [(x, y) for x, y, _ in known if x is not None and y is not None]
    bands = [(x, *interval) for x, _, interval in known if x is not None and interval is not None]
    return Line(name, points, bands, dots=True)


def _bins(title: str, bins: Sequence[Bin]) -> Table:
    rows = [
        (one.low, one.high, one.count, one.confidence, one.accuracy, *(one.interval or (None, None))) for one in bins
    ]
    columns = ("above", "up to", "pictures", "confidence", "accuracy", "accuracy from", "accuracy to")
    return Table(title, columns, rows, ("percent", "percent", "integer", *("percent",) * 4), folded=True)


def _figures(found: Found) -> Section:
    """Every figure before and after, with its spread."""
    names = {
        "ece": ("ECE, bins of equal width", percent),
        "ece_mass": ("ECE, bins of equal mass", percent),
        "brier": ("Brier score", _short_number),
        "nll": ("log loss", _short_number),
    }
    rows: list[tuple[str, ...]] = []
    for key, (name, written) in names.items():
        cells = [_spread(getattr(one, key), written) for _, one in _series(found)]
        if found.change is not None:
            cells.append(_spread(found.change[key], _signed) if key in found.change else "")
        rows.append((name, *cells))
    of_classes = [percent(one.ece_classes) for _, one in _series(found)]
    rows.append(("ECE, mean over the classes", *of_classes, *([""] if found.change is not None else [])))
    columns = ("measure", *(name for name, _ in _series(found)), *(["change"] if found.change is not None else []))
    note = "The brackets have the range of 95 % of the bootstrap samples. All samples are the same before and after."
    if found.before.ece.low is None:
        note = "Without bootstrap samples there are no intervals."
    title = f"On {pictures_of(found.split, found.before.count)}"
    return Section("Figures", [], [Table(title, columns, rows, note=note)])


def _short_number(value: float) -> str:
    return f"{value:.4g}"


def _signed(value: float) -> str:
    return f"{value:+.3g}"


def _spread(one: Spread, written: Callable[[float], str]) -> str:
    if one.low is None or one.high is None:
        return written(one.value)
    return f"{written(one.value)} ({written(one.low)} to {written(one.high)})"
