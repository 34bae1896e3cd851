"""The answers of an evaluation as a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cardinet.data.source import Split
from cardinet.evaluate.classification import Evaluation, Result
from cardinet.evaluate.label_sets import LabelEvaluation
from cardinet.runs.answer_table import AnswerTable, joined


def answer_table(result: Result, split: Split, classes: Sequence[str]) -> AnswerTable:
    """A table with a row for each picture of the split; its path is the path within the source."""
    return (
        _label_table(result, split, classes) if isinstance(result, LabelEvaluation) else _table(result, split, classes)
    )


def _label_table(result: LabelEvaluation, split: Split, classes: Sequence[str]) -> AnswerTable:
    table = AnswerTable(result.kept, truth=True, labelling=split.labelling)
    decided, order = result.decided, np.argsort(-result.logs, axis=1, kind="stable")
    for i in range(len(split)):
        top = order[i, : result.kept]
        names, truth = (
            [classes[k] for k in top.tolist()],
            [classes[k] for k in np.flatnonzero(result.truth[i]).tolist()],
        )
        given = [classes[k] for k in order[i].tolist() if decided[i, k]]
        table.add(split.names.inside(i), names, result.probabilities[i, top].tolist(), given, truth=joined(truth))
    return table


def _table(result: Evaluation, split: Split, classes: Sequence[str]) -> AnswerTable:
    table = AnswerTable(result.top.shape[1], truth=True)
    for i in range(len(split)):
        names = [classes[k] for k in result.top[i]]
        truth, chance = classes[result.truth[i]], float(result.confidence_of_truth[i])
        chances = result.top_probabilities[i].tolist()
        table.add(split.names.inside(i), names, chances, truth=truth, probability_of_truth=chance)
    return table
