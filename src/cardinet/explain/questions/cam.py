"""Where a network looks: attribution maps over pictures, for the answer, the true class and the rival class."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from cardinet.base.errors import WorkError
from cardinet.base.output_paths import check_new_folder
from cardinet.blocks.classifier import Classifier
from cardinet.data.source import Split
from cardinet.explain.answer import Answer, Section
from cardinet.explain.attribution import METHODS
from cardinet.explain.attribution.method import layer_called, layers_of
from cardinet.explain.batches import KeptBatches
from cardinet.explain.figures import Chart, Line, Picture, Sheet, Table
from cardinet.explain.map_checks import probabilities_along, sanity
from cardinet.explain.map_files import write_maps
from cardinet.explain.map_pictures import SIDE, overlaid, png, scale_bar, seen
from cardinet.explain.question import Question, Subject
from cardinet.explain.switches import replica

SHARES = tuple(i / 10 for i in range(11))
BLANK = 1e-6
"""A map whose largest value is below this share of the largest logit is called blank."""


class Cam(Question):
    """Where does the network look?"""

    method: Literal["grad-cam", "grad-cam++", "integrated-gradients", "occlusion"] = "grad-cam"
    """The method of attribution."""

    layer: str | None = None
    """The stage whose maps are shown, for the methods of Grad-CAM; none: the last one."""

    pictures: Annotated[int, Field(ge=1, le=1000)] = 8
    """The number of pictures on the sheet."""

    which: Literal["random", "mistakes", "first"] = "random"
    """Which pictures are shown: drawn at random, wrong answers (the surest first), or the first ones."""

    raw: str | None = None
    """A new folder for the raw maps: one .npy a map, and a manifest; none: they are not written."""

    def check(self) -> None:
        if self.raw is not None:
            check_new_folder(Path(self.raw), option="raw")

    def answer(self, subject: Subject) -> Answer:
        network = replica(subject.network).eval()
        shown = choose(subject, network, self.which, self.pictures)
        layer = layer_called(network, self.layer, shown.pixels)
        method = METHODS[self.method]
        found = [_maps(network, self.method, shown, classes, layer) for classes in shown.asked]
        top = statistics.median(float(one.max()) for one in found[0])  # one strong map must not darken all others
        names = subject.model.classes
        rows = [_row(subject, shown, found, i, top) for i in range(len(shown.rows))]
        columns = ("picture", "answer", "true class", "rival")
        legend = "The colours are the contribution to the logit of the class, in one scale for the sheet."
        bar = Picture(scale_bar(), SIDE, 12, ["0", f"{top:.3g} and more"])
        sheet = Sheet(f"{self.method}, {_where(method.LAYERED, layer)}", rows, columns, legend, bar)
        sections = [Section("Where it looks", _text(self.which, len(shown.rows)), [sheet])]
        if method.LAYERED and len(list(layers_of(network))) > 1:
            sections.append(_strip_section(network, self.method, shown, subject))
        checks, document = _checks(network, self.method, shown, found[0], layer, subject.seed)
        sections.append(checks)
        document |= {"method": self.method, "layer": layer if method.LAYERED else None, "scale": top}
        document["pictures"] = _rows(shown, names, found, subject.opened.measured.pictures)
        if self.raw is not None:
            write_maps(Path(self.raw), document, found, ("answer", "truth", "rival"))
        return Answer("Where it looks", [_lead(document)], sections, document, limits=_limits(document))


@dataclass(frozen=True)
class Shown:
    """The chosen pictures: their places in the split, pixels (B, C, H, W), labels, and probabilities (B, classes)."""

    rows: Sequence[int]
    pixels: Tensor
    labels: Tensor
    chances: Tensor

    @property
    def asked(self) -> tuple[Tensor, Tensor, Tensor]:
        """For each picture the answer, the true class, and the rival: the most probable class but the answer."""
        best = self.chances.topk(2, 1).indices
        return best[:, 0], self.labels, best[:, 1]


@torch.no_grad()
def choose(subject: Subject, network: Classifier, which: str, count: int) -> Shown:
    """The pictures of a sheet. Mistakes are the wrong answers, the surest first; all pictures are answered for it.

    Raises WorkError if there is no wrong answer.
    """
    split = subject.opened.measured.pictures
    rows = np.arange(len(split))
    if which == "mistakes":
        batches = KeptBatches(subject, split)
        chances = torch.cat([network(pixels).softmax(1) for pixels, _ in batches()])
        sure, answers = chances.max(1)
        wrong = (answers.cpu().numpy() != split.labels).nonzero()[0]
        if not len(wrong):
            raise WorkError(f"None of the {len(split):,} answers is wrong; look at others: --set which=random.")
        rows = wrong[np.argsort(-sure.cpu().numpy()[wrong], kind="stable")][:count]
    elif which == "random":
        rows = np.sort(np.random.default_rng(subject.seed).permutation(len(split))[:count])
    else:
        rows = rows[:count]
    taken = split.chosen(rows.astype(np.int64))
    parts = list(KeptBatches(subject, taken)())
    pixels, labels = (torch.cat(one) for one in zip(*parts, strict=True))
    return Shown(rows.tolist(), pixels, labels, network(pixels).double().softmax(1))


def _maps(network: Classifier, method: str, shown: Shown, classes: Tensor, layer: str, batch: int = 32) -> Tensor:
    """The raw maps of all pictures for some classes, in batches."""
    parts = [
        METHODS[method].maps(network, pixels, targets, layer)
        for pixels, targets in zip(shown.pixels.split(batch), classes.split(batch), strict=True)
    ]
    return torch.cat(parts)


def _row(subject: Subject, shown: Shown, found: Sequence[Tensor], i: int, top: float) -> list[Picture]:
    """The picture, and its maps for the answer, the true class and the rival."""
    picture = seen(shown.pixels[i], subject.model.preprocessing)
    names = subject.model.classes
    factor = max(1, -(-SIDE // max(picture.shape[:2])))
    size = (picture.shape[1] * factor, picture.shape[0] * factor)
    plain = png(picture.numpy().repeat(factor, 0).repeat(factor, 1))
    answer, truth, _ = (int(classes[i]) for classes in shown.asked)
    cells = [Picture(plain, *size, [f"picture {shown.rows[i]}"])]
    for classes, maps in zip(shown.asked, found, strict=True):
        chosen = int(classes[i])
        caption = [names[chosen], f"{100 * float(shown.chances[i, chosen]):.1f} %"]
        if _blank(maps[i], shown):
            caption.append("blank: nothing for this class")
        right = chosen == truth if chosen in (answer, truth) else None
        cells.append(Picture(overlaid(picture, maps[i], top), *size, caption, right))
    return cells


def _blank(raw: Tensor, shown: Shown) -> bool:
    return float(raw.max()) <= BLANK


def _strip_section(network: Classifier, method: str, shown: Shown, subject: Subject) -> Section:
    """One picture through all stages; each stage has its own scale, as the sizes of its values differ."""
    one = Shown(shown.rows[:1], shown.pixels[:1], shown.labels[:1], shown.chances[:1])
    picture = seen(one.pixels[0], subject.model.preprocessing)
    cells = []
    for stage in list(layers_of(network)):
        raw = _maps(network, method, one, one.asked[0], stage)[0]
        image = overlaid(picture, raw, float(raw.max()))
        cells.append(Picture(image, SIDE, SIDE, [stage, f"{raw.shape[0]} x {raw.shape[1]}"]))
    text = ["The map of the answer for the first picture, by stage. Each stage has a scale of its own."]
    return Section("Through the stages", text, [Sheet("All stages", [cells])])


def _checks(
    network: Classifier, method: str, shown: Shown, maps: Tensor, layer: str, seed: int
) -> tuple[Section, dict[str, Any]]:
    """Whether the maps depend on the weights, and the answers on the places of the maps."""
    answers = shown.asked[0]
    generator = torch.Generator().manual_seed(seed)
    chance_maps = torch.rand(maps.shape, generator=generator).to(maps.device)
    charts, document = [], dict[str, Any]()
    for insert, name in ((False, "deleted"), (True, "inserted")):
        lines = []
        for label, ranked in ((method, maps), ("random map", chance_maps)):
            along = probabilities_along(network, shown.pixels, answers, ranked, SHARES, insert=insert)
            means = [statistics.fmean(values) for values in along]
            document[f"{name}, {label}"] = {"probabilities": means, "area": _area(means)}
            lines.append(Line(label, list(zip(SHARES, means, strict=True)), dots=True))
        charts.append(
            Chart(f"Highest places {name} first", "share of the places", "probability", lines, format="percent")
        )
    rows = [
        (name, statistics.fmean(values), min(values), max(values))
        for name, values in sanity(network, METHODS[method], shown.pixels, answers, layer, seed)
    ]
    document["randomised"] = [dict(zip(("down to", "mean", "low", "high"), row, strict=True)) for row in rows]
    table = Table(
        "Rank correlation with the trained network's maps", ("drawn anew down to", "mean", "low", "high"), rows
    )
    text = [
        "If the highest places matter, the probability of the answer falls fast when they are deleted first, and rises "
        "fast when they are inserted first; a random map is the baseline.",
        "The weights are drawn anew from the classifier down. A map that stays the same does not depend on what was "
        "learned (Adebayo et al. 2018).",
    ]
    return Section("What the maps are worth", text, [*charts, table]), document


def _area(values: Sequence[float]) -> float:
    """The mean height of a line by trapezoids."""
    return float(np.trapezoid(values, SHARES))


def _rows(shown: Shown, names: Sequence[str], found: Sequence[Tensor], split: Split) -> list[dict[str, Any]]:
    rows = []
    for i, place in enumerate(shown.rows):
        answer, truth, rival = (int(classes[i]) for classes in shown.asked)
        row: dict[str, Any] = {"picture": split.names[place], "row": place}
        row |= {"answer": names[answer], "truth": names[truth], "rival": names[rival]}
        row["probabilities"] = {names[c]: float(shown.chances[i, c]) for c in (answer, truth, rival)}
        row["blank"] = [_blank(maps[i], shown) for maps in found]
        rows.append(row)
    return rows


def _where(layered: bool, layer: str) -> str:
    return f"stage {layer}" if layered else "at the picture"


def _text(which: str, count: int) -> list[str]:
    chosen = {
        "random": f"{count} pictures, drawn by the seed.",
        "mistakes": f"{count} wrong answers, the surest first.",
        "first": f"The first {count} pictures.",
    }[which]
    return [chosen, "The rival is the most probable class but the answer. A blue caption is the true class."]


def _lead(document: dict[str, Any]) -> str:
    method = document["method"]
    ours, chance = (document[f"deleted, {name}"]["area"] for name in (method, "random map"))
    verdict = (
        "The places that it marks matter" if ours < chance else "The places that it marks matter no more than others"
    )
    return (
        f"{verdict}: while the highest places are deleted, the answer keeps a mean probability of {100 * ours:.1f} %, "
        f"and {100 * chance:.1f} % with a random map."
    )


def _limits(document: dict[str, Any]) -> list[str]:
    found = [
        "A map shows where activity that is related to a class is; it does not prove a cause.",
        "Deleted places have the mean colour, which the network never saw in training.",
    ]
    last = document["randomised"][-1]["mean"] if document["randomised"] else 0.0
    if last > 0.5:
        found.append(f"With all weights drawn anew the maps still correlate by {last:.2f}: do not trust them here.")
    return found
