"""The page of attribution maps: the sheet, the stages, the figures of the maps, and the sentences on them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from cardinet.base.amounts import amount
from cardinet.evaluate.intervals import paired
from cardinet.explain.answer import Section
from cardinet.explain.attribution.method import Method
from cardinet.explain.figures import Chart, Dots, Figure, Format, Line, Picture, Sheet, Table
from cardinet.explain.map_checks import SHARES, Worth
from cardinet.explain.map_pictures import (
    SIDE,
    as_picture,
    baseline_colour,
    enlarged,
    overlaid,
    png,
    scale_bar,
    top_of,
)
from cardinet.explain.shown_pictures import Shown
from cardinet.runs.model_file import Model

RANDOM = "random map"
MOST_ROWS = 100
"""The most pictures on the sheet; the figures are those of all."""
BLANK = 1e-6
"""A map whose values are all below this share of the picture's largest logit is called blank."""
WIDE_GAP = 0.05
"""A gap of completeness above this share of the change of the logit is warned of."""
ALIKE = 0.5
"""A mean rank correlation with the maps of drawn weights above this is warned of."""


@dataclass(frozen=True, eq=False)
class Maps:
    """The raw maps of a method for the answers and the classes beside them, float32 (N, h, w).

    `change`, (N,), is that of the answers' logits from the baseline to the picture, for a complete method. `stages`
    are the maps of the first picture's answer by stage, for a layered one.
    """

    name: str
    method: Method
    layer: str | None
    answer: Tensor
    other: Tensor
    change: Tensor | None
    stages: Mapping[str, Tensor]

    @property
    def signed(self) -> bool:
        return self.method.SIGNED


def document(
    model: Model, shown: Shown, maps: Maps, worths: Mapping[str, Worth], redrawn: Sequence[tuple[str, list[float]]]
) -> dict[str, Any]:
    """Every number of the page as plain data."""
    own, chance = (worths[name].deletion.tolist() for name in (maps.name, RANDOM))
    mean, interval = paired(own, chance)
    return {
        "method": maps.name,
        "layer": maps.layer,
        "count": len(shown),
        "labelled": shown.split.labelled,
        "classes": list(model.classes),
        "scale": top_of(maps.answer, signed=maps.signed),
        "pictures": [_picture(model.classes, shown, maps, worths[maps.name], i) for i in range(len(shown))],
        "methods": {name: _figures(one) for name, one in worths.items()},
        "deletion_against_random": {"mean": mean, "interval": interval},
        "randomised": [
            {"down to": name, "mean": statistics.fmean(one), "low": min(one), "high": max(one), "values": one}
            for name, one in redrawn
        ],
    }


def _figures(one: Worth) -> dict[str, Any]:
    return {
        "average_drop": float(one.drop.mean()),
        "increase_in_confidence": float(one.rises.double().mean()),
        "deletion": float(one.deletion.mean()),
        "insertion": float(one.insertion.mean()),
        "deleted": one.deleted.mean(0).tolist(),
        "inserted": one.inserted.mean(0).tolist(),
    }


def _picture(classes: Sequence[str], shown: Shown, maps: Maps, own: Worth, i: int) -> dict[str, Any]:
    answer, other, label = (int(values[i]) for values in (shown.answers, shown.others, shown.labels))
    wrong, chances = bool(shown.wrong[i]), shown.chances[i]
    largest = float(shown.logits[i].abs().max())
    row: dict[str, Any] = {
        "picture": shown.split.names.key(i),
        "row": int(shown.rows[i]),
        "answer": classes[answer],
        "probability": float(chances[answer]),
        "truth": classes[label] if shown.split.labelled else None,
        "other": classes[other],
        "other_is": "true class" if wrong else "rival",
        "other_probability": float(chances[other]),
        "blank": [_blank(one[i], largest, signed=maps.signed) for one in (maps.answer, maps.other)],
        "drop": float(own.drop[i]),
        "rises": bool(own.rises[i]),
        "deletion": float(own.deletion[i]),
        "insertion": float(own.insertion[i]),
    }
    if maps.change is not None:
        total = float(maps.answer[i].double().sum())
        row |= {"sum": total, "change": float(maps.change[i]), "gap": total - float(maps.change[i])}
    return row


def _blank(raw: Tensor, largest: float, *, signed: bool) -> bool:
    return float((raw.abs() if signed else raw).max()) <= BLANK * largest


def lead(found: Mapping[str, Any]) -> list[str]:
    """The answers to a few pictures without classes, and the verdict on the maps."""
    said = []
    if not found["labelled"] and found["count"] <= 3:
        said = [
            f"{row['picture']}: {row['answer']} ({_percent(row['probability'])}); the rival is {row['other']} "
            f"({_percent(row['other_probability'])})."
            for row in found["pictures"]
        ]
    own, chance = (found["methods"][name]["deletion"] for name in (found["method"], RANDOM))
    against = found["deletion_against_random"]
    facts = (
        f"while the highest places are deleted, the answer keeps a mean probability of {_percent(own)}, and "
        f"{_percent(chance)} with a random map"
    )
    if against["interval"] is None:
        return [*said, f"For this picture, {facts}; one picture gives no spread, and so no verdict."]
    low, high = against["interval"]
    verdict = "It is open whether the marked places matter more than others"
    if high < 0:
        verdict = "The marked places matter"
    elif low > 0:
        verdict = "The marked places matter less than others"
    spread = f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}, {amount(found['count'], 'picture')}"
    return [*said, f"{verdict}: {facts} (difference {100 * against['mean']:+.1f} points, {spread})."]


def strip(found: Mapping[str, Any]) -> dict[str, str]:
    """The figures that stand above all."""
    own, count = found["methods"][found["method"]], found["count"]
    rises = round(count * own["increase_in_confidence"])
    said = {"average drop": _percent(own["average_drop"]), "increase in confidence": f"{rises} of {count}"}
    if found["labelled"]:
        said = {"right answers": f"{sum(row['other_is'] == 'rival' for row in found['pictures'])} of {count}", **said}
    if found["randomised"]:  # + 0.0: there is no "-0.00"
        said["correlation with drawn weights"] = f"{round(found['randomised'][-1]['mean'], 2) + 0.0:.2f}"
    if gaps := _gaps(found):
        said["gap of the sums, median"] = _percent(statistics.median(gaps))
    return said


def _gaps(found: Mapping[str, Any]) -> list[float]:
    """The gap of each picture as a share of the change of its logit, for a complete method."""
    return [abs(row["gap"]) / max(abs(row["change"]), 1e-12) for row in found["pictures"] if "gap" in row]


def limits(model: Model, found: Mapping[str, Any]) -> list[str]:
    """What the maps do not say."""
    said = [
        "A map shows where activity that is related to a class is; it does not prove a cause.",
        f"Deleted places and the baseline have {baseline_colour(model.preprocessing)}. The network never saw pictures "
        "with such places in training.",
        f"All figures are those of the {found['count']:,} chosen pictures.",
    ]
    last = found["randomised"][-1]["mean"] if found["randomised"] else 0.0
    if last > ALIKE:
        said.append(f"With all weights drawn anew the maps still correlate by {last:.2f}: do not trust them here.")
    gaps = _gaps(found)
    if gaps and statistics.median(gaps) > WIDE_GAP:
        said.append(
            f"The contributions miss {_percent(statistics.median(gaps))} of the change of the logit (median); use "
            "more points: --set points=500."
        )
    return said


def sections(model: Model, shown: Shown, maps: Maps, found: Mapping[str, Any], sentence: str) -> list[Section]:
    """The sheet, the stages of a layered method, and the figures of the maps."""
    side = model.preprocessing.crop
    seen = f"The pictures are shown as the network sees them, as {side} x {side} pixels."
    made = [Section("The maps", [_about_sheet(found, sentence), seen], [_sheet(shown, maps, found)])]
    if len(maps.stages) > 1:
        made.append(_stages(shown, maps))
    return [*made, _worth(found, model), _redrawn(found), Section("Every picture", [], [_table(found)])]


def _about_sheet(found: Mapping[str, Any], sentence: str) -> str:
    beside = "Beside the answer stands the rival: the most probable other class."
    if found["labelled"]:
        beside = (
            "Beside a right answer stands the rival, the most probable other class; beside a wrong one the true class."
        )
    more = f" The first {MOST_ROWS} are shown." if found["count"] > MOST_ROWS else ""
    return f"{sentence}{more} {beside}"


def _sheet(shown: Shown, maps: Maps, found: Mapping[str, Any]) -> Sheet:
    top = found["scale"]
    rows = [_row(shown, maps, row, i, top) for i, row in enumerate(found["pictures"][:MOST_ROWS])]
    where = f"stage {maps.layer}" if maps.layer is not None else "every pixel"
    legend = (
        "The colours are the contribution to the logit of the class, over the grey picture. All maps of the sheet have "
        "one scale; larger values have the colour of its end."
    )
    if maps.signed:
        legend = f"Orange and yellow speak for the class, blue against it. {legend}"
    ends = [f"{-top:.3g}" if maps.signed else "0", f"{top:.3g}"]
    return Sheet(
        f"{maps.name}, {where}",
        rows,
        ("picture", "answer", "true class or rival" if found["labelled"] else "rival"),
        legend,
        Picture(scale_bar(signed=maps.signed), SIDE, 12, ends),
        large=True,
    )


def _row(shown: Shown, maps: Maps, row: Mapping[str, Any], i: int, top: float) -> list[Picture]:
    """The picture, and its maps for the answer and the class beside it."""
    picture = as_picture(shown.pixels[i])
    plain = enlarged(picture)
    height, width = plain.shape[:2]
    wrong = row["other_is"] == "true class"
    captions = (
        [row["answer"], _percent(row["probability"])],
        [f"{row['other_is']}: {row['other']}", _percent(row["other_probability"])],
    )
    rights = (None if row["truth"] is None else not wrong, True if wrong else None)
    cells = [Picture(png(plain), width, height, [row["picture"]])]
    for one, caption, right, blank in zip((maps.answer, maps.other), captions, rights, row["blank"], strict=True):
        said = [*caption, *(["blank: nothing speaks for this class"] if blank else [])]
        cells.append(Picture(overlaid(picture, one[i], top, signed=maps.signed), width, height, said, right))
    if "gap" in row:
        cells[1] = _with(cells[1], f"sum {row['sum']:.3g}, gap {row['gap']:.2g}")
    return cells


def _with(cell: Picture, line: str) -> Picture:
    return Picture(cell.png, cell.width, cell.height, [*cell.caption, line], cell.right)


def _stages(shown: Shown, maps: Maps) -> Section:
    """One picture through all stages; each stage has its own scale, as the sizes of its values differ."""
    picture = as_picture(shown.pixels[0])
    cells = []
    for stage, raw in maps.stages.items():
        image = overlaid(picture, raw, top_of(raw[None], signed=maps.signed), signed=maps.signed)
        blank = _blank(raw, float(shown.logits[0].abs().max()), signed=maps.signed)
        said = [stage, f"{raw.shape[0]} x {raw.shape[1]} places", *(["blank"] if blank else [])]
        cells.append(Picture(image, SIDE, SIDE, said))
    text = ["The map of the answer for the first picture, by stage. Each stage has a scale of its own."]
    return Section("Through the stages", text, [Sheet("All stages", [cells])])


def _worth(found: Mapping[str, Any], model: Model) -> Section:
    """Whether the answers depend on the places of the maps."""
    figures: list[Figure] = []
    for key, name in (("deleted", "deleted"), ("inserted", "inserted")):
        lines = [
            Line(label, list(zip(SHARES, found["methods"][label][key], strict=True)), dots=True)
            for label in (found["method"], RANDOM)
        ]
        title = f"Highest places {name} first"
        figures.append(Chart(title, "share of the places", "probability", lines, format="percent"))
    columns = ("map", "average drop", "increase in confidence", "mean while deleted", "mean while inserted")
    count = found["count"]
    rows = [
        (
            name,
            one["average_drop"],
            f"{round(count * one['increase_in_confidence'])} of {count}",
            one["deletion"],
            one["insertion"],
        )
        for name, one in found["methods"].items()
    ]
    formats: tuple[Format | None, ...] = (None, "percent", None, "percent", "percent")
    note = "A good map has a small drop, a large increase, a small mean while deleted and a large one while inserted."
    figures.append(Table("Figures of the maps", columns, rows, formats, note))
    text = [
        "The probability of the answer falls fast if the places that matter are deleted first, and rises fast if they "
        "are inserted first. A random map is the comparison. "
        f"A deleted place has {baseline_colour(model.preprocessing)}.",
        "Average drop and increase in confidence (Chattopadhyay et al. 2017): the picture is multiplied by its map, "
        "from 0 to 1. The drop is the share of its probability that the answer loses, 0 if it gains; the increase is "
        "the share of pictures whose answer gains. A map of few large pixels keeps little of a picture, so compare "
        "these two only between maps of one kind.",
    ]
    if len(found["methods"]) == 2:
        text.append("The same figures of all methods: --set compare=true.")
    return Section("What the maps are worth", text, figures)


def _redrawn(found: Mapping[str, Any]) -> Section:
    rows = [(f"down to {row['down to']}", row["values"]) for row in found["randomised"]]
    dots = Dots(
        "The maps of drawn weights against those of the trained network", "rank correlation, a dot a picture", rows
    )
    text = [
        "A map that stays the same when the weights change does not depend on what was learned (Adebayo et al. 2018). "
        "From the classifier down, each layer gets the weights of a new network; its batch norms get the scale 1, the "
        "shift 0, the running mean 0 and the running variance 1. What was drawn stays drawn. 1 is the same order of "
        "places, 0 none in common."
    ]
    return Section("Do the maps depend on the weights?", text, [dots])


def _table(found: Mapping[str, Any]) -> Table:
    """A row for each picture."""
    columns = {"picture": "picture", "answer": "answer", "probability": "probability", "beside": "beside it"}
    columns |= {"other_probability": "its probability", "drop": "drop", "deletion": "deleted", "insertion": "inserted"}
    if "gap" in found["pictures"][0]:
        columns |= {"change": "change of the logit", "sum": "sum of the map", "gap": "gap"}
    percent = ("probability", "other_probability", "drop", "deletion", "insertion")
    formats: list[Format | None] = ["percent" if key in percent else None for key in columns]
    cells = [{**row, "beside": f"{row['other_is']}: {row['other']}"} for row in found["pictures"]]
    rows = [tuple(row[key] for key in columns) for row in cells]
    return Table("Figures by picture", tuple(columns.values()), rows, formats, folded=len(rows) > 20)


def _percent(value: float) -> str:
    """A share with one decimal; what is not exactly 0 or 1 is not written as 0.0 % or 100.0 %."""
    if 0 < value < 0.0005:
        return "< 0.1 %"
    return "> 99.9 %" if 0.9995 <= value < 1 else f"{100 * value:.1f} %"
