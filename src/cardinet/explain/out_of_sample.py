"""Class probabilities of pictures from classifiers that have not seen them: a fit on the other folds for each fold."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cardinet.base.amounts import amount
from cardinet.base.errors import RequestError
from cardinet.base.randomness import permutation

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

STEPS = 200
"""The most steps of a fit. More change the probabilities of few pictures."""


def folds_of(labels: Labels, folds: int, seed: int) -> Labels:
    """The fold of each picture, (N,): the pictures of each class are dealt out in an order drawn from the seed.

    The dealing goes on from class to class, so that the folds have equal sizes up to one.
    """
    found, dealt = np.empty(len(labels), np.int64), 0
    for k in np.unique(labels):
        rows = np.flatnonzero(labels == k)
        rows = rows[permutation(seed, int(k), len(rows))]
        found[rows] = (dealt + np.arange(len(rows))) % folds
        dealt += len(rows)
    return found


def fold_probabilities(
    features: npt.NDArray[np.float32],
    labels: Labels,
    classes: int,
    *,
    folds: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Floats:
    """The probabilities (N, classes) of a multinomial logistic regression on the features (N, D) of the other folds.

    The features are standardised by those of the other folds. A class that has no picture in the other folds gets the
    probability 0. Raises RequestError for fewer pictures than folds, and if the other folds have only one class.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(labels) < folds:
        raise RequestError(
            f"{amount(len(labels), 'picture')} cannot be divided into {folds} folds; give more pictures."
        )
    place, found = folds_of(labels, folds, seed), np.zeros((len(labels), classes))
    for fold in range(folds):
        rest, own = place != fold, place == fold
        if len(np.unique(labels[rest])) < 2:
            raise RequestError(
                "A fold leaves pictures of only one class to learn from; give pictures of two classes or more."
            )
        fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=STEPS))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # see STEPS
            fitted.fit(features[rest], labels[rest])
        found[np.ix_(own, fitted[-1].classes_)] = fitted.predict_proba(features[own])
        progress(fold + 1, folds)
    return found
