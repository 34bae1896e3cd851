"""The network as an ensemble of paths: how many of each length, and which lengths carry the gradient.

Veit, Wilber and Belongie 2016, Sections 3 and 5 (arXiv 1605.06431). The counts are exact, from the description. The
gradients are sampled (`explain.path_gradients`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from cardinet.explain.answer import Answer, Section
from cardinet.explain.batch_norm import reestimated, statistics_batches
from cardinet.explain.batches import at_once, sample
from cardinet.explain.figures import Bar, Bars, Chart, Line, Table
from cardinet.explain.path_gradients import GradientAtLength, carrying_range, gradient_by_length, has_path_gradients
from cardinet.explain.question import Question, Subject
from cardinet.measure.paths import Measure, PathCounts, count_paths
from cardinet.networks.families.merge_and_run import MergeAndRun
from cardinet.networks.path_graph import PathGraph

SUPERSCRIPT = str.maketrans("0123456789", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
MIDDLE = 0.95
"""The share of the paths whose lengths the answer gives as a range."""

NAMES: Mapping[Measure, str] = {"units": "branches", "layers": "layers", "all layers": "layers, projections too"}
"""By measure, what it counts."""


class Paths(Question):
    """How many paths does the network have, how long are they, and which carry the gradient?"""

    PICTURES: ClassVar[Literal["none", "optional", "needed"]] = "optional"
    TRAINED: ClassVar[bool] = False

    by: Measure = "units"
    """How a path is measured: by the branches of units on it, by its layers without projections, or by all layers."""

    each_transform: bool = False
    """Whether the aggregated transforms of a branch (the cardinality) are counted as paths of their own."""

    pictures: Annotated[int, Field(ge=1, le=4096)] = 32
    """The pictures of the batch whose gradient is measured."""

    draws: Annotated[int, Field(ge=1, le=10_000)] = 8
    """The draws of the units for each number of branches on the path."""

    def answer(self, subject: Subject) -> Answer:
        spec, graph = subject.network.spec, subject.network.spec.path_graph()
        by: Measure = self.by if _has_units(graph) else "layers"
        counts = count_paths(graph, by, each_transform=self.each_transform)
        noun = NAMES[by].partition(",")[0]
        low, high = counts.middle(MIDDLE)
        about_measures, measures = _measures(spec, graph, each_transform=self.each_transform)
        sections = [_lengths(counts, noun, about_measures, measures)]
        document = {"by": by, **_document(counts), "measures": _plain(measures)}
        lead = [_lead(counts, noun, low, high)]
        gradients, why_not = self._gradients(subject, graph)
        if gradients is not None:
            sections.append(_gradient_section(gradients))
            document["gradients"] = [
                dataclasses.asdict(one) | {"mean": one.mean, "lowest": min(one.norms), "highest": max(one.norms)}
                for one in gradients
            ]
            lead.append(_carried(gradients))
        strip = {
            "paths": _large(counts.total),
            f"mean length, {noun}": f"{counts.mean:.2f} \u00b1 {counts.deviation:.2f}",
            "shortest, longest": f"{counts.shortest}, {counts.longest}",
            f"at least {100 * MIDDLE:g} % of the paths": _range(low, high),
        }
        limits = [
            "A network with non-linear layers is not a sum of paths: the layers of a path see the sums of all ways "
            "before them.",
            "Gates, such as those of squeeze-and-excitation and of attention, are not counted as ways.",
            *why_not,
        ]
        return Answer("Paths", lead, sections, document, strip, limits)

    def _gradients(self, subject: Subject, graph: PathGraph) -> tuple[list[GradientAtLength] | None, list[str]]:
        """The gradient for each number of branches, and what it does not say; or None and the reason."""
        if not has_path_gradients(subject.network, graph):
            return None, ["The gradient by length is measured only in a chain of units with one shortcut each."]
        if subject.opened.pictures is None:
            refused = subject.opened.refusal
            why = "it needs pictures; name them." if refused is None else refused.findings[0]
            return None, [f"The gradient by length is not measured: {why}"]
        batch = sample(subject, self.pictures)
        network, said = subject.network, []
        if not subject.trained:
            network = reestimated(network, statistics_batches(batch.pixels))
            said.append(
                "The weights are new, so the gradient is that at the start of a training, with the BN "
                "statistics of these pictures."
            )
        found = gradient_by_length(
            network,
            batch.pixels,
            batch.labels,
            draws=self.draws,
            seed=subject.seed,
            batch_size=at_once(subject, batch.pixels),
            progress=lambda done, total: subject.progress("gradients", done, total),
        )
        return found, said


def _lead(counts: PathCounts, noun: str, low: int, high: int) -> str:
    if counts.total == 1:
        return f"The network is one path of {counts.longest} {noun}: it has no shortcuts and no branches."
    if counts.shortest == counts.longest:
        return f"The network has {_large(counts.total)} paths. All of them have {counts.longest} {noun}."
    share, longest = counts.share(low, high), counts.by_length[counts.longest]
    some = "All" if (low, high) == (counts.shortest, counts.longest) else f"{100 * share:.2f} %"
    these = "a single path has" if longest == 1 else f"{_large(longest)} paths have"
    return (
        f"The network has {_large(counts.total)} paths. {some} of them have {_range(low, high)} {noun}; {these} the "
        f"most, {counts.longest}."
    )


def _range(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def _carried(gradients: Sequence[GradientAtLength]) -> str:
    """The lengths that carry the gradient: the narrowest range with at least nine tenths of it."""
    low, high, share = carrying_range(gradients, 0.9)
    paths = sum(one.paths for one in gradients)
    there = sum(one.paths for one in gradients if low <= one.length <= high)
    return (
        f"Paths of {_range(low, high)} branches carry {100 * share:.1f} % of the gradient at the picture; they are "
        f"{100 * there / paths:.3g} % of the paths."
    )


def _lengths(counts: PathCounts, noun: str, about_measures: Sequence[str], measures: Table) -> Section:
    total = counts.total
    bars = [Bar(str(length), n / total) for length, n in counts.by_length.items()]
    rows = [(length, _large(n), n / total) for length, n in counts.by_length.items()]
    return Section(
        "How long the paths are",
        [
            "Every path goes from the picture to the answer. Where several ways join, such as a branch and its "
            "shortcut, it takes one of them.",
            *about_measures,
        ],
        [
            *(
                [Bars("Share of the paths by length", noun, "share of the paths", bars, format="percent")]
                * (len(bars) > 1)
            ),
            measures,
            Table("Every length", (f"length, {noun}", "paths", "share"), rows, (None, None, "percent"), folded=True),
        ],
    )


def _measures(spec: object, graph: PathGraph, *, each_transform: bool) -> tuple[list[str], Table]:
    """The same paths by every measure, and as a paper counts them where that differs: what is to be said, a table."""
    readings: list[tuple[str, PathGraph]] = [("", graph)]
    if isinstance(spec, MergeAndRun) and spec.join == "add":
        readings.append((", as printed", spec.but(join="concatenate").path_graph()))
    rows = []
    for words, read in readings:
        for by, name in NAMES.items():
            if by == "units" and not _has_units(read):
                continue
            counts = count_paths(read, by, each_transform=each_transform)
            rows.append((name + words, _large(counts.total), counts.mean, counts.deviation, counts.longest))
    text = ["Papers measure a path by its branches or by its layers. Layers on the shortcut are projections."]
    if len(readings) > 1:
        text.append(
            "As it is coded, the last block adds both streams. The paper's figures (arXiv 1611.07718, Figure 3) treat "
            "it as all other blocks: these are the lines \u201cas printed\u201d."
        )
    columns = ("measured by", "paths", "mean", "deviation", "longest")
    return text, Table("The same paths by every measure", columns, rows)


def _gradient_section(gradients: Sequence[GradientAtLength]) -> Section:
    norms = Line(
        "mean",
        [(one.length, one.mean) for one in gradients if one.mean > 0],
        [(one.length, min(one.norms), max(one.norms)) for one in gradients if min(one.norms) > 0],
        dots=True,
    )
    bars = [Bar(str(one.length), one.share) for one in gradients]
    share = "Share of the gradient: mean norm times number of paths"
    return Section(
        "Which paths carry the gradient",
        [
            "A batch runs through the whole network. On the way back the gradient passes only "
            "the branch of some units, drawn at random, and only the shortcut of the others. The band goes from the "
            "smallest to the largest draw."
        ],
        [
            Chart("Norm of the gradient at the picture", "branches", "norm", [norms], scale="log"),
            Bars(share, "branches", "share", bars, format="percent"),
        ],
    )


def _has_units(graph: PathGraph) -> bool:
    """Whether some branch has other ways around it, so that paths can be measured by branches."""
    return any(way.unit for ways in graph.maps if len(ways) > 1 for way in ways)


def _document(counts: PathCounts) -> Mapping[str, object]:
    low, high = counts.middle(MIDDLE)
    return {
        "paths": counts.total,
        "mean": counts.mean,
        "deviation": counts.deviation,
        "shortest": counts.shortest,
        "longest": counts.longest,
        "middle": {"share": counts.share(low, high), "low": low, "high": high},
        "by_length": {str(length): n for length, n in counts.by_length.items()},
        "share_by_length": {str(length): n / counts.total for length, n in counts.by_length.items()},
    }


def _plain(table: Table) -> list[dict[str, object]]:
    """The rows of a table as plain data."""
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def _large(count: int) -> str:
    """A number in full up to seven digits, then in powers of ten."""
    if count < 10**7:
        return f"{count:,}"
    exponent = len(str(count)) - 1
    mantissa = Fraction(count, 10**exponent)
    return f"{float(mantissa):.3g}\u00a0\u00b7\u00a010{str(exponent).translate(SUPERSCRIPT)}"
