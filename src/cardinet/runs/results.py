"""evaluation.json of a run folder: the results of a finished run, and the mistakes in its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from cardinet.base.errors import WorkError
from cardinet.base.schemas import Count, Document, read_document
from cardinet.runs.computed_by import EAGER, ComputedBy
from cardinet.weights.metadata import Figures, Share


class ShownMistake(Document, extra="allow"):
    """A wrongly classified picture as a small PNG in base64. `width` and `height` are those of the original."""

    name: str
    truth: str
    predicted: str
    confidence: Share
    confidence_of_truth: Share
    png: str
    width: Count
    height: Count


class ClassFigures(Document, extra="allow"):
    """The scores of one class where a picture may have several labels; a rate is None if its denominator is 0."""

    name: str = Field(alias="class")
    pictures: Count
    average_precision: Share | None
    threshold: Share
    found: Count
    given: Count
    precision: Share | None
    recall: Share | None
    f1: Share | None


class Results(Document, extra="allow"):
    """The content of the file: figures and confusion matrix (rows: true class) by split, the model's step, mistakes,
    and what computed the answers (in older files, which do not say it, eager mode).

    With several labels there are instead the scores of the classes, their precision-recall curves, as (recall,
    precision), and the 95 % interval of the mean average precision, by split.
    """

    results: dict[str, Figures]
    step: Count
    computed_by: ComputedBy = EAGER
    confusion: dict[str, tuple[tuple[Count, ...], ...]] = {}
    mistakes: tuple[ShownMistake, ...] = ()
    label_scores: dict[str, tuple[ClassFigures, ...]] = {}
    curves: dict[str, tuple[tuple[tuple[Share, Share], ...], ...]] = {}
    intervals: dict[str, tuple[Share, Share] | None] = {}

    def figures(self) -> dict[str, dict[str, Any]]:
        """The figures as plain data."""
        return {name: figures.model_dump(exclude_unset=True) for name, figures in self.results.items()}


def final_results(path: Path) -> Results:
    """The results of a finished run. Raises WorkError if they are missing or damaged."""
    found = read_results(path)
    if found is None:
        raise WorkError(f"There is no {path}: the run is not finished, or the file was removed.")
    return found


def read_results(path: Path) -> Results | None:
    """The results in a file; None if the run has none yet. Raises WorkError if they are damaged."""
    if not path.exists():
        return None
    found: Results = read_document(path, Results)
    return found
