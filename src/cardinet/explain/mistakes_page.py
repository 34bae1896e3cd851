"""The sections of the question `mistakes`: sheets of pictures and tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cardinet.data.source import Split
from cardinet.evaluate.outputs import Outputs
from cardinet.evaluate.scores import pairs, shares
from cardinet.explain.answer import Section
from cardinet.explain.figures import Figure, HeatMap, Picture, Sheet, Table
from cardinet.explain.label_errors import LabelError
from cardinet.explain.mistakes_found import DRAWN, Twins, counted
from cardinet.explain.pictures import picture_of

A_ROW = 6
"""The pictures in a row of a sheet."""


def in_rows(pictures: Sequence[Picture], length: int = A_ROW) -> list[list[Picture]]:
    """Pictures in rows of a length."""
    return [list(pictures[i : i + length]) for i in range(0, len(pictures), length)]


def confident_section(
    split: Split, found: Outputs, wrong: npt.NDArray[np.int64], classes: tuple[str, ...], shown: int
) -> Section:
    """The wrong pictures, the most confident answer first."""
    chances = np.exp(found.logs)
    pictures = []
    for i in wrong[:shown].tolist():
        answer, truth = int(found.predicted[i]), int(found.truth[i])
        said = f"{classes[answer]} {100 * chances[i, answer]:.1f} %"
        caption = (said, f"is {classes[truth]} ({100 * chances[i, truth]:.1f} %)", split.names.key(i))
        pictures.append(picture_of(split, i, caption, right=False))
    sheet = Sheet("The most confident mistakes", in_rows(pictures), note="The answer, the true class, the picture.")
    text = f"{counted(len(wrong), 'answer')} wrong."
    return Section("Confident mistakes", [text], [sheet] if pictures else [])


def confused_section(confusion: npt.NDArray[np.int64], classes: tuple[str, ...]) -> Section:
    """The most frequent confusions, and the matrix of a few classes."""
    rows = [(pair.truth, pair.predicted, pair.count, pair.share) for pair in pairs(confusion, classes)]
    columns = ("true class", "taken for", "pictures", "share of the class")
    figures: list[Figure] = [Table("The most frequent confusions", columns, rows, (None, None, "integer", "percent"))]
    if len(classes) <= DRAWN:
        mistakes = shares(confusion)
        values = [[None if i == j else float(v) for j, v in enumerate(row)] for i, row in enumerate(mistakes)]
        note = "Rows are true classes, columns answers; right answers are left out."
        figures.append(
            HeatMap("Shares of each class that were taken for another", classes, classes, values, note, "percent")
        )
    return Section("Confused classes", [], figures)


def labels_section(
    split: Split, errors: Sequence[LabelError], classes: tuple[str, ...], source: str, shown: int
) -> Section:
    """The probable label errors, the least probable label first."""
    how = {
        "model": "the answers of the model",
        "folds": "classifiers of the features of the network, fitted on other pictures (folds)",
    }[source]
    pictures = [
        picture_of(
            split,
            one.row,
            (
                f"given {classes[one.given]} ({100 * one.score:.1f} %)",
                f"suggested {classes[one.suggested]} ({100 * one.of_suggested:.1f} %)",
                split.names.key(one.row),
            ),
        )
        for one in errors[:shown]
    ]
    rows = [
        (split.names.key(one.row), classes[one.given], classes[one.suggested], one.score, one.of_suggested)
        for one in errors
    ]
    columns = ("picture", "given", "suggested", "score", "probability of the suggested")
    text = (
        f"By confident learning (cleanlab) with the probabilities of {how}. The score is the probability of the given "
        "class; the lowest come first."
    )
    figures: list[Figure] = [Sheet("Pictures to look at", in_rows(pictures))] if pictures else []
    if rows:
        figures.append(Table("All of them", columns, rows, (None, None, None, None, "percent"), folded=True))
    return Section("Probable label errors", [text if rows else f"{text} None were found."], figures)


def duplicates_section(
    split: Split, twins: Sequence[Twins], classes: tuple[str, ...], least: float, shown: int
) -> Section:
    """The near-duplicates in other splits, the most alike first."""
    text = (
        f"Two pictures are near-duplicates if their grey thumbnails of 16 x 16 pixels have a correlation of {least:g} "
        "or more. What is in two splits makes an error look smaller than it is."
    )
    if not twins:
        return Section("Near-duplicates", ["The source has no other splits to compare with."], [])
    found = sorted(((twin.split, pair) for twin in twins for pair in twin.pairs), key=lambda item: -item[1].correlation)
    rows: list[list[Picture]] = []
    table = []
    for other, pair in found:
        mine, theirs = classes[split.labels[pair.first]], classes[other.labels[pair.second]]
        table.append(
            (split.names.key(pair.first), other.name, other.names.key(pair.second), pair.correlation, mine, theirs)
        )
        if len(rows) < shown // 2:
            right = mine == theirs
            rows.append(
                [
                    picture_of(split, pair.first, (mine, split.names.key(pair.first)), right=right),
                    picture_of(
                        other, pair.second, (theirs, f"{other.name}: {other.names.key(pair.second)}"), right=right
                    ),
                ]
            )
    columns = ("picture", "split", "its near-duplicate", "correlation", "class", "its class")
    figures: list[Figure] = []
    if table:
        legend = "The colour of a name says whether both have the same class."
        figures = [
            Sheet("Pairs", rows, (f"{split.name} picture", "near-duplicate"), legend),
            Table("All of them", columns, table, folded=True),
        ]
    return Section("Near-duplicates", [text if table else f"{text} There are none."], figures)
