"""A small classifier that gives several labels, with drawn weights, and pictures for it in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cardinet.data.data_settings import DataSettings
from cardinet.data.labelling import SEVERAL
from cardinet.data.source import Source, open_source
from cardinet.runs.model_file import Model
from explain.models import TINY, classifier
from several.pasted_digits import table

CLASSES = tuple(f"digit {k}" for k in range(5))
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)


def labeller(seed: int = 0) -> Model:
    """A classifier of five labels with thresholds of its own, for pictures of 10 x 10 pixels."""
    made = classifier(TINY.but(num_classes=5), seed, side=10)
    return replace(made, classes=CLASSES, labelling=SEVERAL, thresholds=THRESHOLDS)


def pictures(folder: Path, count: int = 60) -> Source:
    """An opened source with splits."""
    return open_source(table(folder, count), DataSettings(labels="list", label_separator="|"))
