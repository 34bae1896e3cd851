"""What squeeze-and-excitation, selective kernels and split attention select, by class and by the size of the object.

Hu et al. 2017 (arXiv 1709.01507), Li et al. 2019 (arXiv 1903.06586), Zhang et al. 2020 (arXiv 2004.08955).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from cardinet.base.amounts import amount
from cardinet.blocks.classifier import Classifier
from cardinet.data.batches import evaluation_batches
from cardinet.explain.answer import Answer, Section
from cardinet.explain.attention_records import BySize, SiteRecord, enlarge, known, or_none
from cardinet.explain.attention_sites import Kind, recorded
from cardinet.explain.batches import require_pass, sample
from cardinet.explain.figures import Bar, Bars, Chart, HeatMap, Line, Table
from cardinet.explain.question import Question, Subject

LEVELS: Mapping[Kind, tuple[str, str]] = {
    "squeeze-and-excitation": (
        "mean weight",
        "A gate weighs each channel of a branch by 0 to 1. The level is the mean of its weights.",
    ),
    "selective kernels": (
        "share of the largest kernel",
        "The weights of the kernels add up to one in each channel. The level is the mean weight of the largest kernel.",
    ),
    "split attention": (
        "evenness of the splits",
        "The weights of the splits add up to one in each channel. The level is their evenness: 1 if all splits have "
        "the same weight, 0 if one has all (entropy, divided by its largest value; with one split the mean weight).",
    ),
}
"""By kind of attention: the name of its level, one number for each picture and unit, and what it is."""


class Attention(Question):
    """What do squeeze-and-excitation, selective kernels and split attention select, by class?"""

    zooms: Annotated[tuple[Annotated[float, Field(ge=1, le=8)], ...], Field(min_length=2, max_length=8)] = (
        1.0,
        1.5,
        2.0,
    )
    """For selective kernels: how many times the middle of each picture is enlarged."""

    enlarged: Annotated[int, Field(ge=2, le=100_000)] = 256
    """The number of pictures that are enlarged, drawn from all."""

    shown: Annotated[int, Field(ge=2, le=100)] = 24
    """The number of classes in the figures: those that differ most from the mean. The document has all classes."""

    channels: Annotated[int, Field(ge=1, le=256)] = 48
    """The number of channels in the map of the unit that tells classes apart best: the channels that do it best."""

    def problems(self, network: Classifier) -> list[str]:
        if recorded(network)[1]:
            return []
        return ["the network has no squeeze-and-excitation, no selective kernels and no split attention to look at."]

    def answer(self, subject: Subject) -> Answer:
        network, sites = recorded(subject.network)
        found = [SiteRecord(site, len(subject.model.classes)) for site in sites]
        self._by_class(network, found, subject)
        sizes = self._by_size(network, [one for one in found if one.site.sides], subject)
        kinds = list(dict.fromkeys(one.site.kind for one in found))
        sections, classes = [], subject.model.classes
        for kind in kinds:
            own = [one for one in found if one.site.kind == kind]
            sections.append(self._level_section(kind, own, classes))
            sections.append(self._spread_section(own, classes))
            if kind == "selective kernels":
                sections.append(_size_section(sizes))
        most = _most_explained(found)
        strip = {
            "units with attention": f"{len(found)}",
            "pictures": f"{int(most.spread.counts.sum()):,}",
            "explained by class, at most": f"{100 * known(most.spread.explained):.1f}\u00a0%",
            "in unit": most.site.unit,
        }
        document = {
            "units": [one.document(classes) for one in found],
            "map": {
                "unit": most.site.unit,
                "classes": list(classes),
                "by_channel": {
                    str(channel): [or_none(value) for value in values]
                    for channel, values in most.differences(self.channels).items()
                },
            },
            "sizes": [one.document() for one in sizes],
        }
        limits = [
            "That weights differ between classes does not say that the network needs this difference to answer.",
            "The share that is explained also grows by chance if there are few pictures of each class; the F ratio "
            "allows for this and is about 1 by chance.",
            *(["Enlarging a picture also removes its border and blurs it."] if sizes else []),
        ]
        return Answer("Attention", _lead(found, most, sizes), sections, document, strip, limits)

    def _by_class(self, network: Classifier, found: Sequence[SiteRecord], subject: Subject) -> None:
        """Record the attention for every picture."""
        split, done = subject.opened.measured.pictures, 0
        require_pass(subject, len(split))
        batches = evaluation_batches(
            split,
            subject.model.preprocessing,
            batch_size=subject.batch_size,
            workers=subject.workers,
            device=subject.device,
        )
        for batch in batches:
            with torch.inference_mode():
                network(batch.pixels)
            for one in found:
                one.add(batch.labels)
            done += len(batch.labels)
            subject.progress("attention", done, len(split))

    def _by_size(self, network: Classifier, found: Sequence[SiteRecord], subject: Subject) -> list[BySize]:
        """The share of the largest kernel in enlarged pictures, for the units with selective kernels."""
        if not found:
            return []
        pixels = sample(subject, self.enlarged).pixels
        zooms = sorted(set(self.zooms))
        shares: list[list[Tensor]] = []
        for place, zoom in enumerate(zooms):
            subject.progress("enlarged pictures", place, len(zooms))
            parts = []
            for part in pixels.split(subject.batch_size):
                with torch.inference_mode():
                    network(enlarge(part, zoom))
                parts.append(torch.stack([one.level_of(one.site.weights) for one in found]))
            shares.append(list(torch.cat(parts, 1).double().cpu()))
        return [BySize(one.site.unit, zooms, [of_zoom[i] for of_zoom in shares]) for i, one in enumerate(found)]

    def _level_section(self, kind: Kind, found: Sequence[SiteRecord], classes: Sequence[str]) -> Section:
        name, text = LEVELS[kind]
        levels = torch.stack([one.level.means[:, 0] for one in found], 1)  # (classes, units)
        rows = _most_different(levels, self.shown)
        values = [[or_none(value) for value in levels[row].tolist()] for row in rows]
        units = [one.site.unit for one in found]
        return Section(
            f"{kind.capitalize()}: the level by class",
            [text],
            [
                Bars(
                    f"Level of each unit: {name}",
                    "unit",
                    name,
                    [Bar(u, float(o.level.mean)) for u, o in zip(units, found, strict=True)],
                ),
                HeatMap(f"Level by class and unit: {name}", [classes[row] for row in rows], units, values),
            ],
        )

    def _spread_section(self, found: Sequence[SiteRecord], classes: Sequence[str]) -> Section:
        bars = [Bar(one.site.unit, known(one.spread.explained)) for one in found]
        rows = [
            (one.site.unit, len(one.spread.mean), or_none(one.spread.explained), or_none(one.spread.ratio))
            for one in found
        ]
        most = _most_explained(found)
        differences = most.differences(self.channels)
        chosen = _most_different(most.spread.means, self.shown)
        columns = ("unit", "weights", "explained", "F ratio")
        return Section(
            "Which units tell classes apart",
            [
                "The share of the variation of the weights, over pictures and channels, that the class explains. The F "
                "ratio is the variance between the classes, divided by that within them; by chance it is about 1.",
                f"The map has those channels of {most.site.unit} that tell classes apart best: the mean weight of a "
                "class less that of all pictures.",
            ],
            [
                Bars("Explained by class", "unit", "share explained", bars, format="percent"),
                HeatMap(
                    f"Weights of {most.site.unit} by class and channel",
                    [classes[row] for row in chosen],
                    [str(channel) for channel in differences],
                    [[or_none(of_channel[row]) for of_channel in differences.values()] for row in chosen],
                    middle=0.0,
                ),
                Table("Every unit", columns, rows, (None, "integer", "percent"), folded=True),
            ],
        )


def _most_explained(found: Sequence[SiteRecord]) -> SiteRecord:
    """The unit whose weights tell classes apart best."""
    return max(found, key=lambda one: known(one.spread.explained))


def _lead(found: Sequence[SiteRecord], most: SiteRecord, sizes: Sequence[BySize]) -> list[str]:
    least = min(found, key=lambda one: known(one.spread.explained))
    share, ratio = most.spread.explained, most.spread.ratio
    text = f"The class explains {100 * known(share):.1f} % of the variation of the weights in {most.site.unit}"
    if math.isnan(share):
        text = "The weights of every unit are the same for all pictures"
    elif math.isnan(ratio):
        text += ", which says nothing: there is one class, or one picture of each"
    else:
        text += f" (F ratio {ratio:.1f})"
    if least is not most and not math.isnan(ratio):
        text += f", and {100 * known(least.spread.explained):.1f} % in {least.site.unit}, the least of all units"
    lead = [text + "."]
    if sizes:
        grows = sum(one.change[0] > 2 * one.change[1] for one in sizes)
        falls = sum(one.change[0] < -2 * one.change[1] for one in sizes)
        lead.append(
            f"In pictures that are enlarged {sizes[0].zooms[-1]:g} times the largest kernel has more weight in {grows} "
            f"of {len(sizes)} units, and less in {falls} (by more than two standard errors)."
        )
    return lead


def _size_section(sizes: Sequence[BySize]) -> Section:
    zooms = sizes[0].zooms
    lines = [
        Line(f"{zoom:g} times", [(i, float(one.shares[place].mean())) for i, one in enumerate(sizes, 1)], dots=True)
        for place, zoom in enumerate(zooms)
    ]
    rows: list[list[str | float | None]] = [
        [one.unit, *(float(share.mean()) for share in one.shares), *map(or_none, one.change)] for one in sizes
    ]
    columns = ("unit", *(f"{zoom:g} times" for zoom in zooms), "change", "standard error")
    return Section(
        "Selective kernels: the size of the object",
        [
            f"The middle of {amount(len(sizes[0].shares[0]), 'picture')} is cut out and enlarged. The paper finds "
            "that larger "
            "objects get more weight of the larger kernel, except in the last stage (Li et al. 2019, arXiv 1903.06586)."
        ],
        [
            Chart("Share of the largest kernel", "unit", "share", lines),
            Table("Every unit, by enlargement", columns, rows),
        ],
    )


def _most_different(means: Tensor, most: int) -> list[int]:
    """The classes with pictures, in order; of more than `most` those whose means (classes, F) are furthest out."""
    seen = [i for i, row in enumerate(means) if not row.isnan().all()]
    known = means[seen]
    spread = known.std(0).clamp_min(1e-12) if len(seen) > 1 else torch.ones(known.shape[1])
    out = (((known - known.mean(0)) / spread) ** 2).sum(1)
    return sorted(seen[int(i)] for i in out.argsort(descending=True, stable=True)[:most])
