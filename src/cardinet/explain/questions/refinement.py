"""Whether the units of a stage refine one estimate: the distance of each unit's output from the end of its stage.

Greff, Srivastava and Schmidhuber 2016 (arXiv 1612.07771).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from cardinet.blocks.classifier import Classifier
from cardinet.build.meta import on_meta
from cardinet.explain.answer import Answer, Section
from cardinet.explain.batches import KeptBatches, drawn
from cardinet.explain.chain import chain_of
from cardinet.explain.estimates import Distance, distances, stages_of
from cardinet.explain.figures import Chart, Line, Table
from cardinet.explain.question import Question, Subject

STRIDES = 6
"""The picture by which shapes are found has this many strides of the network a side, and at least 64 pixels."""


class Refinement(Question):
    """Do the units of a stage refine one estimate?"""

    PICTURES: ClassVar[Literal["none", "optional", "needed"]] = "needed"

    pictures: Annotated[int, Field(ge=1)] = 500
    """The pictures that are looked at, drawn from the split."""

    def problems(self, network: Classifier) -> list[str]:
        empty = on_meta(network)
        side = max(64, STRIDES * int(network.spec.stride))
        chain = chain_of(empty)
        with torch.no_grad():
            states = chain.states(torch.empty(2, network.spec.in_channels, side, side, device="meta"))
        return [] if stages_of(chain, states) else ["no stage has two units whose outputs have one shape."]

    def answer(self, subject: Subject) -> Answer:
        test = KeptBatches(subject, drawn(subject.opened.measured.pictures, self.pictures, subject.seed))
        found = distances(subject.network, (pixels for pixels, _ in test()))
        stages = list(dict.fromkeys(one.stage for one in found))
        charts = [
            _chart("Spread of the distance to the end of the stage", "spread / spread of the end", found, "spread"),
            _chart("Mean of the distance to the end of the stage", "mean / spread of the end", found, "mean"),
        ]
        rows = [(one.unit, one.mean, one.spread) for one in found]
        table = Table("Every unit", ("unit", "mean", "spread"), rows, folded=len(rows) > 12)
        text = [
            "The output of each unit is compared with that of the last unit of its stage, in units of the deviation of "
            "the last output. If the units refine one estimate, the mean is near 0 and the spread falls.",
            f"{test.count:,} pictures; all channels and places.",
        ]
        document = {"pictures": test.count, "units": [vars(one) for one in found]}
        return Answer(
            "Refinement",
            [_lead(found, stages)],
            [Section("From unit to unit", text, [*charts, table])],
            document,
            strip={"stages": str(len(stages)), "largest mean": f"{max(abs(one.mean) for one in found):.2f}"},
            limits=["A small distance says that a unit changes little, not that what it changes does not matter."],
        )


def _chart(title: str, y: str, found: list[Distance], what: str) -> Chart:
    lines = []
    for stage in dict.fromkeys(one.stage for one in found):
        units = [one for one in found if one.stage == stage]
        points = [(i, float(getattr(one, what))) for i, one in enumerate(units, 1)]
        lines.append(Line(stage, points, dots=True))
    return Chart(title, "unit in its stage", y, lines)


def _lead(found: list[Distance], stages: list[str]) -> str:
    falling = 0
    for stage in stages:
        spreads = [one.spread for one in found if one.stage == stage]
        falling += all(later <= earlier for earlier, later in pairwise(spreads))
    largest = max(abs(one.mean) for one in found)
    return (
        f"In {falling} of {len(stages)} stages the spread of the distance to the end falls with every unit. The mean "
        f"distance is at most {largest:.2f} deviations."
    )
