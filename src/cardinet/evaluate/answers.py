"""The answers of an evaluation as a table."""

from __future__ import annotations

from collections.abc import Sequence

from cardinet.data.source import Split
from cardinet.evaluate.classification import Evaluation
from cardinet.runs.answer_table import AnswerTable


def answer_table(result: Evaluation, split: Split, classes: Sequence[str]) -> AnswerTable:
    """A table with a row for each picture of the split; its path is the path within the source."""
    table = AnswerTable(result.top.shape[1], truth=True)
    for i in range(len(split)):
        names = [classes[k] for k in result.top[i]]
        truth, chance = classes[result.truth[i]], float(result.confidence_of_truth[i])
        table.judge(split.names.inside(i), names, result.top_probabilities[i].tolist(), truth, chance)
    return table
