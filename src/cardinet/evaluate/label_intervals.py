"""The interval of a mean average precision, by a bootstrap over pictures (Efron and Tibshirani 1993, chapter 13)."""

from __future__ import annotations

import numpy as np

from cardinet.evaluate.label_scores import Floats, Marks

RESAMPLES = 1000
"""The draws of as many pictures, with replacement, as there are."""

WORK = 1_000_000_000
"""The most decisions (pictures times classes times draws) of a bootstrap; more would take minutes, so there is none."""

AT_ONCE = 1 << 22
"""The pictures of draws that are in memory at one time."""


def bootstrap_interval(
    truth: Marks, scores: Floats, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float] | None:
    """The 2.5 and 97.5 percentiles of the mean average precision of `resamples` draws of the pictures, by `seed`.

    Truth and scores are (N, classes). The mean of a draw is over the classes that have pictures in it. None if no
    picture has a label, and if there are more decisions than `WORK`.
    """
    count, classes = truth.shape
    if not truth.any() or count * classes * resamples > WORK:
        return None
    rng, means = np.random.default_rng(seed), list[Floats]()
    ranked = [_ranked(truth[:, k], scores[:, k]) for k in range(classes) if truth[:, k].any()]
    for start in range(0, resamples, chunk := max(1, AT_ONCE // count)):
        draws = min(chunk, resamples - start)
        weights = np.stack([np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(draws)])
        means.append(_means([_average_precisions(weights, *one) for one in ranked]))
    every = np.concatenate(means)
    low, high = np.quantile(every[~np.isnan(every)], (0.025, 0.975))
    return float(low), float(high)


def _ranked(truth: Marks, scores: Floats) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The order of the pictures of one class, their truth in it, and the last place of each distinct score."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    return order, truth[order], np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)


def _average_precisions(weights: np.ndarray, order: np.ndarray, truth: Marks, last: np.ndarray) -> Floats:
    """The average precision of one class where picture i counts `weights[:, i]` times, (draws,); NaN without a picture.

    It is that of `label_scores.curve` on the repeated pictures.
    """
    counts = weights[:, order]
    taken, hits = np.cumsum(counts, axis=1)[:, last], np.cumsum(counts * truth, axis=1)[:, last]
    gained = np.diff(hits, axis=1, prepend=0)
    with np.errstate(invalid="ignore", divide="ignore"):  # before the first drawn picture, and without any
        precision = np.where(taken > 0, hits / taken, 0.0)
        found: Floats = (gained * precision).sum(1) / hits[:, -1]
    return found


def _means(rows: list[Floats]) -> Floats:
    """The mean over the classes that are not NaN, (draws,); NaN where all are."""
    values = np.stack(rows)
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        found: Floats = np.where(known, values, 0.0).sum(0) / known.sum(0)
    return found
