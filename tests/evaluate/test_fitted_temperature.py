"""The temperature: scipy's minimum, exact cases, and what is refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from cardinet.base.errors import RequestError, WorkError
from cardinet.evaluate.temperature import HIGHEST, LOWEST, fit_temperature, tempered

Floats = npt.NDArray[np.float64]


def logits(count: int = 500, classes: int = 6, seed: int = 0, scale: float = 1.0) -> Floats:
    return scale * np.random.default_rng(seed).normal(size=(count, classes))


def softmax(z: Floats) -> Floats:
    e = np.exp(z - z.max(1, keepdims=True))
    found: Floats = e / e.sum(1, keepdims=True)
    return found


def drawn(probabilities: Floats, seed: int = 0) -> npt.NDArray[np.int64]:
    """A label for each row, drawn from its probabilities."""
    places = np.random.default_rng(seed).random((len(probabilities), 1))
    found: npt.NDArray[np.int64] = np.minimum((probabilities.cumsum(1) < places).sum(1), probabilities.shape[1] - 1)
    return found


@pytest.mark.parametrize("truth", [0.3, 0.8, 1.0, 2.5, 7.0])
def test_it_is_the_minimum_that_scipy_finds(truth: float) -> None:
    z = logits(scale=3.0)
    labels = drawn(softmax(z / truth))
    found = fit_temperature(z, labels)

    def loss(log_t: float) -> float:
        return float(log_loss(labels, softmax(z / np.exp(log_t)), labels=range(6)))

    best = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded", options={"xatol": 1e-9})
    assert found.value == pytest.approx(np.exp(best.x), rel=1e-6)
    assert found.before == pytest.approx(loss(0.0), rel=1e-12)
    assert found.after == pytest.approx(best.fun, rel=1e-9)
    assert found.after <= found.before


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_labels_in_proportion_to_the_probabilities_give_the_temperature_itself(truth: float) -> None:
    z = logits(200)
    shares = softmax(z / truth)
    assert fit_temperature(z, shares).value == pytest.approx(truth, abs=1e-6)
    rows, classes = np.repeat(z, 6, axis=0), np.tile(np.arange(6), len(z))  # each class once, weighted
    assert fit_temperature(rows, classes, shares.ravel()).value == pytest.approx(truth, abs=1e-6)


def test_labels_in_exact_proportion_keep_the_temperature_of_one() -> None:
    z = logits(200)
    found = fit_temperature(z, softmax(z))
    assert found.value == pytest.approx(1.0, abs=1e-6)
    assert found.after == pytest.approx(found.before, rel=1e-12)


def test_drawn_labels_give_it_within_three_standard_errors() -> None:
    z = logits(4000, seed=5, scale=2.0)
    misses = []
    for seed in range(20):
        found = fit_temperature(z, drawn(softmax(z / 1.7), seed))
        misses.append((found.value - 1.7) / found.error)
    assert all(abs(miss) < 3 for miss in misses)
    assert 0.5 < np.std(misses) < 1.6  # the standard error is neither too small nor too large


def test_weights_are_numbers_of_pictures() -> None:
    z = logits(50)
    labels = drawn(softmax(z / 2), 1)
    times = np.random.default_rng(2).integers(0, 4, 50)
    whole = fit_temperature(np.repeat(z, times, axis=0), np.repeat(labels, times))
    weighted = fit_temperature(z, labels, times)
    assert weighted.value == pytest.approx(whole.value, rel=1e-9)
    assert weighted.error == pytest.approx(whole.error, rel=1e-9)


def test_logits_and_log_probabilities_are_the_same() -> None:
    z = logits(scale=3.0)
    labels = drawn(softmax(z / 2))
    assert fit_temperature(np.log(softmax(z)), labels).value == pytest.approx(fit_temperature(z, labels).value)
    assert np.exp(tempered(z, 2.0)) == pytest.approx(softmax(z / 2), abs=1e-14)


def test_what_is_refused() -> None:
    z = logits(100)
    best, worst = z.argmax(1), z.argmin(1)
    with pytest.raises(RequestError, match=r"below 0\.05: almost all of the 100 answers are right"):
        fit_temperature(z, best)
    with pytest.raises(RequestError, match="above 20"):
        fit_temperature(z, worst)
    with pytest.raises(RequestError, match="These are probabilities"):
        fit_temperature(softmax(z), best)
    with pytest.raises(RequestError, match="classes are 0 to 5"):
        fit_temperature(z, best + 1)
    with pytest.raises(RequestError, match="shape"):
        fit_temperature(z, best[:50])
    with pytest.raises(RequestError, match="weights must be 100 numbers"):
        fit_temperature(z, best, -np.ones(100))
    with pytest.raises(RequestError, match="sum 1"):
        fit_temperature(z, softmax(z) * 2)
    with pytest.raises(RequestError, match="2 classes or more"):
        fit_temperature(z[:, :1], best)
    with pytest.raises(WorkError, match="not finite"):
        fit_temperature(np.where(z > 2, np.nan, z), best)
