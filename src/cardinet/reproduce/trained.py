"""A finished training of an experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import Model, load_model


@dataclass(frozen=True)
class Trained:
    """A finished training: its folder, its test error (a share), and its test loss."""

    folder: RunFolder
    error: float
    loss: float

    def model(self) -> Model:
        """The model of the run: the best on its validation pictures."""
        return load_model(self.folder.model)

    def rows(self) -> list[dict[str, Any]]:
        """The metrics of the run, as in metrics.jsonl."""
        return self.folder.rows()
