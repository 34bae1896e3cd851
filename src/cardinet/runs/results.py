"""evaluation.json of a run folder: the results of a finished run, and the mistakes in its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cardinet.base.errors import WorkError
from cardinet.base.schemas import Count, Document, read_document
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


class Results(Document, extra="allow"):
    """The content of the file: figures and confusion matrix (rows: true class) by split, the model's step, mistakes."""

    results: dict[str, Figures]
    step: Count
    confusion: dict[str, tuple[tuple[Count, ...], ...]] = {}
    mistakes: tuple[ShownMistake, ...] = ()

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
