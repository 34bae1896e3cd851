"""Probable label errors: confident learning (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068) by cleanlab."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cardinet.explain.extras import library

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelError:
    """A picture whose label is probably wrong. `suggested` is the most probable other class.

    `score` is the probability of the given class, and `of_suggested` that of the suggested one.
    """

    row: int
    given: int
    suggested: int
    score: float
    of_suggested: float


def probable_label_errors(labels: Labels, probabilities: Floats) -> list[LabelError]:
    """The probable errors among labels (N,), the most probable first.

    `probabilities` (N, K) must come from a classifier that has not seen the pictures. Raises RequestError without
    cleanlab.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of classes without pictures, which we name ourselves
        rows = library("cleanlab.filter").find_label_issues(
            labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
        )
    found = []
    for row in np.asarray(rows).tolist():
        chances, given = probabilities[row].copy(), int(labels[row])
        score, chances[given] = float(chances[given]), -1.0
        other = int(chances.argmax())
        found.append(LabelError(row, given, other, score, float(chances[other])))
    return found
