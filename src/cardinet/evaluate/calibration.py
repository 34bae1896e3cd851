"""Whether probabilities mean what they say: bins of a reliability diagram, ECE, Brier score, log loss.

Guo et al. 2017 (arXiv 1706.04599) for the expected calibration error (ECE); Nixon et al. 2019 (arXiv 1904.01685) for
bins of equal mass and for the ECE of each class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cardinet.base.errors import RequestError
from cardinet.evaluate.intervals import wilson

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Binning = Literal["width", "mass"]
"""Bins of equal width, or of equal numbers of pictures."""

CHANCE = 0.95
"""The probability that an interval covers the true value."""
AT_ONCE = 2**23
"""The number of draws of a bootstrap that are in memory at one time."""


@dataclass(frozen=True)
class Bin:
    """Pictures of similar confidence: low < confidence <= high, also 0 in the first bin.

    `confidence` and `accuracy` are means over its `count` pictures, `interval` is Wilson's interval of the accuracy
    (95 %). All three are None for an empty bin.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Spread:
    """A value with the interval that holds 95 % of its bootstrap draws; None without draws."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Calibration:
    """How well probabilities are calibrated on labelled pictures.

    `ece` and `ece_mass` are the expected calibration errors of the answers with bins of equal width and of equal mass,
    `ece_classes` is the mean over the classes of the ECE of each class's own probability (equal width). `brier` is the
    mean over the pictures of the sum over the classes of (probability - truth)^2, from 0 to 2. `nll` is the mean of -
    log probability of the true class. `error` and the shares are from 0 to 1.
    """

    count: int
    error: float
    confidence: float
    ece: Spread
    ece_mass: Spread
    ece_classes: float
    brier: Spread
    nll: Spread
    bins: tuple[Bin, ...]
    mass_bins: tuple[Bin, ...]
    by_class: tuple[float, ...]

    def to_document(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def calibration(logs: Floats, labels: Labels, *, bins: int = 15, resamples: int = 1000, seed: int = 0) -> Calibration:
    """Measure the calibration of log probabilities (N, K), float64, for true classes (N,).

    The spread is that of `resamples` bootstrap samples of the pictures, drawn from `seed`. The bins of equal mass stay
    the same in all samples. Raises RequestError without pictures.
    """
    if len(labels) == 0:
        raise RequestError("There are no pictures, so their probabilities cannot be measured.")
    drawn = Bootstrap(len(labels), resamples, seed)
    probabilities = np.exp(logs)
    confidence, right = answered(logs, labels)
    by_class = class_errors(probabilities, labels, bins)
    return Calibration(
        count=len(labels),
        error=float(1 - right.mean()),
        confidence=float(confidence.mean()),
        ece=drawn.spread(_gaps(confidence, right, bins, "width"), _total),
        ece_mass=drawn.spread(_gaps(confidence, right, bins, "mass"), _total),
        ece_classes=float(by_class.mean()),
        brier=drawn.spread(brier_scores(probabilities, labels)[:, None], _only),
        nll=drawn.spread(losses(logs, labels)[:, None], _only),
        bins=tuple(reliability(confidence, right, bins, "width")),
        mass_bins=tuple(reliability(confidence, right, bins, "mass")),
        by_class=tuple(by_class.tolist()),
    )


def changes(
    before: Floats, after: Floats, labels: Labels, *, bins: int = 15, resamples: int = 1000, seed: int = 0
) -> dict[str, Spread]:
    """after - before of ece, brier and nll, with its spread over bootstrap samples that both have in common."""
    drawn = Bootstrap(len(labels), resamples, seed)
    pairs = {
        "ece": [_gaps(*answered(logs, labels), bins, "width") for logs in (before, after)],
        "brier": [brier_scores(np.exp(logs), labels)[:, None] for logs in (before, after)],
        "nll": [losses(logs, labels)[:, None] for logs in (before, after)],
    }
    return {
        name: drawn.spread(np.hstack(both), partial(_change, _total if name == "ece" else _only))
        for name, both in pairs.items()
    }


def _change(value: Callable[[Floats], Floats], means: Floats) -> Floats:
    """The value of the second half of the columns minus that of the first half."""
    half = means.shape[-1] // 2
    return value(means[..., half:]) - value(means[..., :half])


def answered(logs: Floats, labels: Labels) -> tuple[Floats, Floats]:
    """The probability of each answer, (N,), and 1 for a right answer, else 0."""
    answers = logs.argmax(1)
    return np.exp(logs[np.arange(len(labels)), answers]), (answers == labels).astype(np.float64)


def edges_of(values: Floats, bins: int, by: Binning) -> Floats:
    """The edges of bins from 0 to 1, (bins + 1,) or fewer: quantiles that are equal become one edge."""
    if by == "width":
        return np.linspace(0.0, 1.0, bins + 1)
    inner = np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf")
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))


def places_in(values: Floats, edges: Floats) -> npt.NDArray[np.int64]:
    """The bin of each value: low < value <= high. 0 is in the first bin, rounding above 1 in the last."""
    return np.clip(np.searchsorted(edges, values, side="left") - 1, 0, len(edges) - 2)


def reliability(confidence: Floats, right: Floats, bins: int, by: Binning) -> list[Bin]:
    """The bins of a reliability diagram; `right` is 1 for a right answer, else 0."""
    edges = edges_of(confidence, bins, by)
    places, size = places_in(confidence, edges), len(edges) - 1
    counts = np.bincount(places, minlength=size)
    sure, hits = (np.bincount(places, values, minlength=size) for values in (confidence, right))
    found = []
    for i, count in enumerate(counts.tolist()):
        mean, accuracy = (float(sure[i] / count), float(hits[i] / count)) if count else (None, None)
        interval = wilson(float(hits[i]), count) if count else None
        found.append(Bin(float(edges[i]), float(edges[i + 1]), count, mean, accuracy, interval))
    return found


def expected_error(confidence: Floats, right: Floats, bins: int = 15, by: Binning = "width") -> float:
    """ECE: the mean over the pictures of |accuracy - confidence| of their bin."""
    return float(_total(_gaps(confidence, right, bins, by).mean(0)))


def class_errors(probabilities: Floats, labels: Labels, bins: int = 15) -> Floats:
    """The ECE of each class's own probability over all pictures, (K,), with bins of equal width."""
    edges, n = edges_of(probabilities[:, 0], bins, "width"), len(labels)
    found = [
        np.abs(np.bincount(places_in(column, edges), (labels == k) - column, minlength=bins)).sum() / n
        for k, column in enumerate(probabilities.T)
    ]
    return np.array(found)


def brier_scores(probabilities: Floats, labels: Labels) -> Floats:
    """The Brier score of each picture, (N,): the sum over the classes of (probability - truth)^2."""
    of_truth = probabilities[np.arange(len(labels)), labels]
    scores: Floats = (probabilities**2).sum(1) - 2 * of_truth + 1
    return scores


def losses(logs: Floats, labels: Labels) -> Floats:
    """- log probability of the true class of each picture, (N,)."""
    return -logs[np.arange(len(labels)), labels]


def _gaps(confidence: Floats, right: Floats, bins: int, by: Binning) -> Floats:
    """right - confidence of each picture in the column of its bin, (N, bins)."""
    edges = edges_of(confidence, bins, by)
    gaps = np.zeros((len(confidence), bins))  # there may be fewer of equal mass
    gaps[np.arange(len(confidence)), places_in(confidence, edges)] = right - confidence
    return gaps


def _total(means: Floats) -> Floats:
    total: Floats = np.abs(means).sum(-1)
    return total


def _only(means: Floats) -> Floats:
    return means[..., 0]


class Bootstrap:
    """Samples of pictures with replacement, the same for every value: `resamples` samples of `count` pictures."""

    def __init__(self, count: int, resamples: int, seed: int) -> None:
        self.count, self.resamples, self.seed = count, resamples, seed

    def means(self, columns: Floats) -> Floats:
        """The mean of each column (N, M) in each sample, (resamples, M)."""
        generator = np.random.default_rng(self.seed)
        chunk, found = max(1, AT_ONCE // self.count), []
        for first in range(0, self.resamples, chunk):
            size = min(chunk, self.resamples - first)
            rows = generator.integers(0, self.count, (size, self.count)) + np.arange(size)[:, None] * self.count
            times = np.bincount(rows.ravel(), minlength=size * self.count).reshape(size, self.count)
            found.append(times @ columns / self.count)
        return np.concatenate(found) if found else np.zeros((0, columns.shape[1]))

    def spread(self, columns: Floats, value: Callable[[Floats], Floats]) -> Spread:
        """`value(means of the columns)` of the pictures themselves and of the samples."""
        here = float(value(columns.mean(0)))
        drawn = value(self.means(columns))
        return Spread(here, *interval(drawn))


def interval(drawn: Floats) -> tuple[float, float] | tuple[None, None]:
    """The middle 95 % of draws."""
    if len(drawn) == 0:
        return None, None
    low, high = np.quantile(drawn, [(1 - CHANCE) / 2, (1 + CHANCE) / 2])
    return float(low), float(high)
