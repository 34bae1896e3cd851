"""A map of features: the points of a plane whose neighbours are neighbours in the features too."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cardinet.base.errors import RequestError, WorkError
from cardinet.explain.extras import library

Features = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]
Method = Literal["tsne", "umap"]

FEWEST = 5
"""A map needs at least so many pictures."""
ONE_THREAD = 2000
"""A map of at most so many pictures is made by one thread."""


def plane(features: Features, method: Method, neighbours: float, seed: int) -> Points:
    """The points (N, 2) of t-SNE (van der Maaten and Hinton 2008) or UMAP (McInnes et al. 2018), drawn from the seed.

    `neighbours` is the perplexity of t-SNE or the number of neighbours of UMAP; few pictures get a smaller one. Raises
    RequestError for too few pictures and without umap-learn, WorkError if all features are equal.
    """
    if len(features) < FEWEST:
        raise RequestError(f"A map needs at least {FEWEST} pictures, and there are {len(features)}; add map=none.")
    if not np.isfinite(features).all():
        raise WorkError("Some features are not finite: the model is damaged. Train it again.")
    if not np.ptp(features, axis=0).any():
        raise WorkError("All pictures have the same features, so there is no map of them; add map=none.")
    with warnings.catch_warnings(), _threads(len(features)):
        warnings.simplefilter("ignore")  # both libraries warn of what they choose themselves
        found = _method(method, len(features), neighbours, seed).fit_transform(features)
    return np.asarray(found, dtype=np.float64)


def _threads(count: int) -> AbstractContextManager[object]:
    """One thread for few pictures: the threads of t-SNE wait for each other actively, and `n_jobs` does not bind them.

    Beside other work on 2 cores a map of 500 pictures took 125 s with two threads, and 9 s with one.
    """
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    limits: AbstractContextManager[object] = threadpool_limits(1 if count <= ONE_THREAD else None)
    return limits


def _method(method: Method, count: int, neighbours: float, seed: int) -> Any:
    if method == "umap":
        return library("umap").UMAP(n_neighbors=int(min(max(2, neighbours), count - 1)), random_state=seed, n_jobs=1)
    from sklearn.manifold import TSNE

    return TSNE(perplexity=min(neighbours, (count - 1) / 3), init="pca", random_state=seed, n_jobs=1)
