"""The temperature of a classifier: the number T for which softmax(logits / T) has the smallest log loss.

Guo et al. 2017, Section 4.2 (arXiv 1706.04599). In 1/T the loss is convex, so the root of its derivative is the only
minimum, and it lies between two bounds or there is none that is worth having.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cardinet.base.errors import RequestError, WorkError

Floats = npt.NDArray[np.float64]

LOWEST, HIGHEST = 0.05, 20.0
"""Temperatures outside of these bounds are refused: they stand for labels that are all right, or all noise."""


@dataclass(frozen=True)
class Temperature:
    """A fitted temperature with its standard error, and the mean log loss before and after.

    The standard error is that of the maximum likelihood estimate, from the observed information.
    """

    value: float
    error: float
    before: float
    after: float
    count: int


def fit_temperature(logits: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Temperature:
    """The temperature of logits (N, K) for labels, solved to 12 digits of 1/T.

    Log probabilities serve as logits. `labels` are classes (N,) or probabilities (N, K), `weights` (N,) count the
    pictures. If no temperature lowers the loss, T is 1. Raises RequestError for probabilities in the place of logits,
    for shapes that do not fit, and if the optimum lies outside of 0.05 to 20; WorkError if the logits are not finite.
    """
    from scipy.optimize import brentq  # a slow import, and needed only here; scipy comes with scikit-learn

    z, of_truth, mass = _checked(logits, labels, weights)
    at = _Loss(z, of_truth, mass)
    if at.slope(1 / HIGHEST) >= 0:
        raise RequestError(
            f"The best temperature lies above {HIGHEST:g}: the answers say almost nothing about these labels. "
            "Check that the pictures and their classes are those of the model."
        )
    if at.slope(1 / LOWEST) <= 0:
        raise RequestError(
            f"The best temperature lies below {LOWEST:g}: almost all of the {len(z):,} answers are right, so that no "
            "confidence is too high. Give more pictures, with some mistakes among them."
        )
    inverse = float(brentq(at.slope, 1 / HIGHEST, 1 / LOWEST, xtol=1e-13, rtol=1e-12))
    before, after = at.value(1.0), at.value(inverse)
    if not after < before:
        inverse, after = 1.0, before
    information = mass.sum() * at.curvature(inverse)
    error = float(1 / np.sqrt(information) / inverse**2) if information > 0 else float("inf")
    return Temperature(1 / inverse, error, before, after, len(z))


def tempered(logs: Floats, temperature: float) -> Floats:
    """The log probabilities (N, K) of logits or log probabilities at a temperature."""
    return _log_softmax(logs / temperature)


class _Loss:
    """The mean log loss of softmax(s z) as a function of s = 1/T, with its derivatives."""

    def __init__(self, z: Floats, of_truth: Floats, mass: Floats) -> None:
        top = z.max(1)
        self.z, self.of_truth = z - top[:, None], of_truth - top
        self.mass = mass / mass.sum()

    def value(self, s: float) -> float:
        return float(self.mass @ (np.log(np.exp(s * self.z).sum(1)) - s * self.of_truth))

    def slope(self, s: float) -> float:
        """mean of (expected logit - logit of the truth); it rises with s."""
        chances = np.exp(_log_softmax(s * self.z))
        return float(self.mass @ ((chances * self.z).sum(1) - self.of_truth))

    def curvature(self, s: float) -> float:
        """The mean variance of the logits under the probabilities."""
        chances = np.exp(_log_softmax(s * self.z))
        means = (chances * self.z).sum(1, keepdims=True)
        return float(self.mass @ (chances * (self.z - means) ** 2).sum(1))


def _log_softmax(z: Floats) -> Floats:
    shifted = z - z.max(1, keepdims=True)
    logs: Floats = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return logs


def _checked(
    logits: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """The logits, the mean logit of each label, and the weights, all float64. Raises as `fit_temperature`."""
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim != 2 or not len(z) or z.shape[1] < 2:
        raise RequestError(f"The logits have the shape {z.shape}; give (pictures, classes), with 2 classes or more.")
    if not np.isfinite(z).all():
        raise WorkError("Some logits are not finite: the model is damaged. Train it again.")
    if z.min() >= 0 and np.allclose(z.sum(1), 1, atol=1e-3):
        raise RequestError(
            "These are probabilities: each row sums to 1. Give logits, or the logarithms of the probabilities."
        )
    mass = np.ones(len(z)) if weights is None else np.asarray(weights, dtype=np.float64)
    if mass.shape != (len(z),) or not (np.isfinite(mass) & (mass >= 0)).all() or not mass.sum() > 0:
        raise RequestError(f"The weights must be {len(z)} numbers from 0 on, some of them above 0.")
    return z, _logit_of_truth(z, np.asarray(labels)), mass


def _logit_of_truth(z: Floats, labels: npt.NDArray[np.generic]) -> Floats:
    """The logit of each label, or the mean logit where a label is a row of probabilities."""
    if labels.shape == z.shape[:1] and np.issubdtype(labels.dtype, np.integer):
        places = labels.astype(np.int64)
        if places.min() < 0 or places.max() >= z.shape[1]:
            raise RequestError(
                f"The labels go from {places.min()} to {places.max()}; the classes are 0 to {z.shape[1] - 1}."
            )
        found: Floats = z[np.arange(len(z)), places]
        return found
    if labels.shape != z.shape:
        raise RequestError(
            f"The labels have the shape {labels.shape}; give whole numbers ({len(z)},) or probabilities {z.shape}."
        )
    shares = labels.astype(np.float64)
    if not (shares >= 0).all() or not np.allclose(shares.sum(1), 1, atol=1e-3):
        raise RequestError("The probabilities of each label must be 0 or more, and their sum 1.")
    mean: Floats = (shares / shares.sum(1, keepdims=True) * z).sum(1)
    return mean
