"""The content of a report as plain data. The caller fills it from a run folder. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cardinet.base.amounts import amount
from cardinet.runs.results import ClassFigures

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """An exact evaluation: every picture of a split, or of its evaluated part, is counted once.

    Raises ValueError when the counts contradict the confusion matrix.
    """

    split: str
    """"test", "validation", ..."""
    count: int
    """Pictures evaluated."""
    total: int
    """Pictures of the split before any limit; equal to `count` when all were evaluated."""
    wrong: int
    """Pictures whose most likely class is not the true one."""
    top5_wrong: int | None = None
    """Pictures whose true class is not among the five most likely; None if this was not counted."""
    loss: float | None = None
    """Mean cross-entropy per picture."""
    confusion: npt.NDArray[np.int64]
    """Counts of shape (classes, classes): rows are the truth, columns the prediction."""
    checkpoint: str = ""
    """Which weights: "best on validation, epoch 31" or "last"."""

    def __post_init__(self) -> None:
        rows, columns = self.confusion.shape
        if rows != columns:
            raise ValueError(f"the confusion matrix is {rows} by {columns}; it must be square")
        counted, right = int(self.confusion.sum()), int(np.trace(self.confusion))
        if (counted, counted - right) != (self.count, self.wrong):
            raise ValueError(
                f"the confusion matrix holds {amount(counted, 'picture')}, {counted - right} wrong; "
                f"the outcome says {self.count}, {self.wrong} wrong"
            )

    @property
    def error(self) -> float:
        """The share of wrong pictures, 0 to 1; NaN when nothing was evaluated."""
        return self.wrong / self.count if self.count else float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelOutcome:
    """An exact evaluation where a picture may have several labels: every picture of a split is counted once."""

    split: str
    count: int
    total: int
    wrong: int
    """Pictures with at least one wrong label."""
    mean_average_precision: float
    """The mean over the classes that have pictures, 0 to 1."""
    loss: float | None = None
    """Mean binary cross-entropy per picture and class."""
    rows: tuple[ClassFigures, ...] = ()
    """The scores of each class, in order."""
    curves: tuple[tuple[tuple[float, float], ...], ...] = ()
    """(recall, precision) of each class, in order; empty for a class without a picture."""
    interval: tuple[float, float] | None = None
    """The 95 % interval of the mean average precision, by a bootstrap over pictures; None if it is unknown."""
    checkpoint: str = ""

    @property
    def error(self) -> float:
        """1 - mean average precision, which orders results as an error does."""
        return 1 - self.mean_average_precision


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A wrongly classified picture."""

    name: str
    """Its origin: a file name or "test 1,234"."""
    truth: int
    predicted: int
    """Indices into `ReportContent.classes`."""
    confidence: float
    """The probability, 0 to 1, that the network gave its (wrong) answer."""
    confidence_of_truth: float
    """The probability that it gave the true class."""
    png: bytes
    """The picture, encoded as PNG."""
    width: int
    height: int
    """Its size in pixels; small ones are enlarged without smoothing."""


@dataclass(frozen=True, kw_only=True)
class DataFinding:
    """The pictures in which check-data found one kind of problem."""

    kind: str
    bad: bool
    """Whether such pictures cannot be used; they are then left out."""
    count: int
    examples: tuple[str, ...] = ()
    """The first of them, as "train/cat/1.jpg: it has one channel"."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A training picture as it enters the network."""

    name: str
    label: str
    png: bytes
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One row of the counts table: a direct child of the network."""

    name: str
    output: str
    """The output shape as text, as in "256 x 56 x 56"."""
    params: int
    macs: int
    activations: int


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The exact counts of the network for one picture (design.md, "Counts")."""

    params: int
    macs: int
    activations: int
    input_size: tuple[int, int, int]
    """Channels, height, width of the picture that they hold for."""
    stages: tuple[Stage, ...] = ()

    @property
    def flops(self) -> int:
        """Two for each multiply-add."""
        return 2 * self.macs


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Speeds on the hardware of the run; None if not measured."""

    training: float | None = None
    """Images/s in training, the median of the step windows."""
    evaluation: float | None = None
    """Images/s in evaluation."""
    waiting: float | None = None
    """The share of the training time, 0 to 1, spent waiting for data."""
    seconds: float | None = None
    """Wall-clock time of the whole run."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportContent:
    """The content of a report. Parts that a run does not have (yet) are None or empty, and the page says so.

    Raises ValueError when an outcome, a count or a mistake does not fit the classes.
    """

    network: str
    """The network's id, as in "resnext29_8x64d"."""
    name: str = ""
    """Its title, as in "ResNeXt-29, 8x64d"; the id if this is empty."""
    run: str = ""
    """The run folder's name; it tells two runs of one network apart in a comparison."""
    data: str
    """The data source: "digits (1,797 scans of 8 x 8 pixels)"."""
    classes: tuple[str, ...]
    command: str
    """The command line that made the run."""
    created: str
    """When the report was made, ISO 8601."""
    version: str
    """The version of Cardinet that made it."""
    status: str = "finished"
    """"finished" or "stopped at step n of m"."""
    result: Outcome | LabelOutcome | None = None
    """The result of the run, on test data if there are any."""
    validation: Outcome | LabelOutcome | None = None
    """The result of the same checkpoint on the data by which it was chosen."""
    history: tuple[Row, ...] = ()
    """The lines of metrics.jsonl; errors and `waiting` are shares from 0 to 1. Missing or null values are left out:
    {"kind": "train", "step", "epoch", "loss", "error", "lr", "images_per_second", "waiting"} and
    {"kind": "evaluation", "split", "step", "epoch", "count", "error", "loss", "best"}; the last evaluation
    with a true "best" is the chosen one."""
    mistakes: tuple[Mistake, ...] = ()
    """Mistakes of `result`, or of `validation` if there is no result; the worst first."""
    class_counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """The pictures of each class by split, training first, in the order of the classes; empty if unknown."""
    examined: int = 0
    """The number of pictures that were checked before the run."""
    found: tuple[DataFinding, ...] = ()
    """The problems that were found in them."""
    samples: tuple[Sample, ...] = ()
    """Training pictures as the network sees them: augmented, before normalisation."""
    augmentation: str = ""
    """Their augmentation, in words."""
    counts: Counts | None = None
    speed: Speed = Speed()
    recipe: str = ""
    """The resolved run.toml."""
    batch_size: int | None = None
    """The pictures of a step, in all processes together; None if unknown."""
    processes: int = 1
    """The processes that train together."""
    model_bytes: int | None = None
    """The size of the model file; None if there is none yet."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Its settings by dotted path, for comparisons."""
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    """Facts that a reader needs to understand the numbers, one sentence each."""

    def __post_init__(self) -> None:
        size = len(self.classes)
        for outcome in (self.result, self.validation):
            if isinstance(outcome, Outcome) and len(outcome.confusion) != size:
                raise ValueError(f"{size} classes, but a confusion matrix of {len(outcome.confusion)}")
            if isinstance(outcome, LabelOutcome) and not len(outcome.rows) == len(outcome.curves) == size:
                raise ValueError(f"{size} classes, but scores of {len(outcome.rows)}")
        if any(len(split) != size for split in self.class_counts.values()):
            raise ValueError(f"{size} classes, but pictures of another number of them")
        if any(not (0 <= m.truth < size and 0 <= m.predicted < size) for m in self.mistakes):
            raise ValueError(f"a mistake names a class outside 0 to {size - 1}")

    @property
    def several_labels(self) -> bool:
        """Whether a picture may have several labels."""
        return any(row.get("labels") == "several" for row in self.history) or isinstance(
            self.result or self.validation, LabelOutcome
        )

    @property
    def finished(self) -> bool:
        return self.status == "finished"

    @property
    def title(self) -> str:
        return self.name or self.network
