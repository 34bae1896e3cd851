"""Whether the units of a stage refine one estimate: the distance of each unit's output from the end of its stage.

Greff, Srivastava and Schmidhuber 2016 (arXiv 1612.07771).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field

from cardinet.base.amounts import amount
from cardinet.blocks.classifier import Classifier
from cardinet.explain.answer import Answer, Section
from cardinet.explain.batches import KeptBatches, drawn_pictures
from cardinet.explain.estimates import Distance, distances, stages_of
from cardinet.explain.figures import Chart, Line, Table
from cardinet.explain.question import Question, Subject


class Refinement(Question):
    """Do the units of a stage refine one estimate?"""

    pictures: Annotated[int, Field(ge=1)] = 500
    """The pictures that are looked at, drawn from the split."""

    def problems(self, network: Classifier) -> list[str]:
        return [] if stages_of(network) else ["no stage has two units whose outputs have one shape."]

    def answer(self, subject: Subject) -> Answer:
        test = KeptBatches(subject, drawn_pictures(subject.opened.measured.pictures, self.pictures, subject.seed))
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
            f"{amount(test.count, 'picture')}; all channels and places.",
        ]
        document = {"pictures": test.count, "units": [vars(one) for one in found]}
        return Answer(
            "Refinement",
            [_lead(found, stages)],
            [Section("From unit to unit", text, [*charts, table])],
            document,
            strip={"stages": str(len(stages)), "largest mean": f"{max(abs(one.mean) for one in found):.2f} deviations"},
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
    largest = max(abs(one.mean) for one in found)
    mean = f"The mean distance is at most {largest:.2f} deviations."
    spreads = [[one.spread for one in found if one.stage == stage] for stage in stages]
    several = [values for values in spreads if len(values) > 1]
    if not several:
        return f"No stage has three units, so it cannot be seen whether the spread falls. {mean}"
    falling = sum(all(later <= earlier for earlier, later in pairwise(values)) for values in several)
    return (
        f"In {falling} of {len(several)} stages with at least three units the spread of the distance to the end falls "
        f"with every unit. {mean}"
    )
