"""Calibration: every figure by a second, naive way, and by scikit-learn where it has it."""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from cardinet.base.errors import RequestError
from cardinet.evaluate.calibration import (
    Bootstrap,
    calibration,
    changes,
    class_errors,
    expected_error,
    reliability,
)
from cardinet.evaluate.intervals import wilson

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def answers(count: int = 400, classes: int = 5, seed: int = 0, sharp: float = 2.0) -> tuple[Floats, Labels]:
    """Log probabilities of an overconfident classifier, and labels."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=(count, classes))
    labels = np.array([generator.choice(classes, p=np.exp(row) / np.exp(row).sum()) for row in z])
    z = sharp * z
    return z - np.log(np.exp(z).sum(1, keepdims=True)), labels


def naive_ece(confidence: Floats, right: Floats, edges: list[float]) -> float:
    total = 0.0
    for low, high in itertools.pairwise(edges):
        inside = [i for i, c in enumerate(confidence) if low < c <= high or (c == 0 and low == 0)]
        if inside:
            gap = sum(right[i] for i in inside) / len(inside) - sum(confidence[i] for i in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(gap)
    return total


@pytest.mark.parametrize("bins", [1, 10, 15, 40])
def test_the_error_with_bins_of_equal_width_is_that_of_a_loop(bins: int) -> None:
    logs, labels = answers()
    confidence, right = np.exp(logs.max(1)), (logs.argmax(1) == labels).astype(np.float64)
    expected = naive_ece(confidence, right, [i / bins for i in range(bins + 1)])
    assert expected_error(confidence, right, bins) == pytest.approx(expected, abs=1e-12)
    assert calibration(logs, labels, bins=bins, resamples=0).ece.value == pytest.approx(expected, abs=1e-12)


def test_the_error_with_bins_of_equal_mass_is_that_of_sorted_pieces() -> None:
    logs, labels = answers(count=300)
    confidence, right = np.exp(logs.max(1)), (logs.argmax(1) == labels).astype(np.float64)
    pieces = np.array_split(np.argsort(confidence), 10)  # 30 pictures each, without ties
    expected = sum(len(p) / 300 * abs(right[p].mean() - confidence[p].mean()) for p in pieces)
    assert expected_error(confidence, right, 10, "mass") == pytest.approx(expected, abs=1e-12)
    assert [one.count for one in reliability(confidence, right, 10, "mass")] == [30] * 10


def test_the_error_of_each_class_is_that_of_a_loop() -> None:
    logs, labels = answers()
    p = np.exp(logs)
    expected = [naive_ece(p[:, k], (labels == k).astype(np.float64), [i / 15 for i in range(16)]) for k in range(5)]
    assert class_errors(p, labels).tolist() == pytest.approx(expected, abs=1e-12)
    assert calibration(logs, labels, resamples=0).ece_classes == pytest.approx(sum(expected) / 5, abs=1e-12)


def test_brier_score_and_log_loss_are_those_of_scikit_learn() -> None:
    logs, labels = answers()
    p = np.exp(logs)
    found = calibration(logs, labels, resamples=0)
    assert found.nll.value == pytest.approx(log_loss(labels, p, labels=range(5)), rel=1e-12)
    by_class = sum(brier_score_loss((labels == k).astype(int), p[:, k]) for k in range(5))
    assert found.brier.value == pytest.approx(by_class, rel=1e-12)


def test_confidences_on_an_edge_belong_to_the_bin_below() -> None:
    edges = np.array([0.0, 0.2, 0.4, 1.0])
    found = reliability(edges, np.array([0.0, 1.0, 1.0, 1.0]), 5, "width")
    assert [one.count for one in found] == [2, 1, 0, 0, 1]
    assert found[2].accuracy is None
    assert found[2].interval is None


def test_perfect_answers_have_no_error_and_the_last_bin() -> None:
    """netcal #17 and others: implementations that fail where every answer is right and certain."""
    labels = np.arange(4)
    logs = np.full((4, 4), -math.inf)
    logs[labels, labels] = 0.0
    found = calibration(logs, labels, resamples=10)
    assert (found.ece.value, found.ece_mass.value, found.brier.value, found.nll.value, found.error) == (0, 0, 0, 0, 0)
    assert [one.count for one in found.bins] == [0] * 14 + [4]


def test_wilson_is_the_root_of_its_equation() -> None:
    z = NormalDist().inv_cdf(0.975)
    for hits, count in ((0, 10), (3, 10), (10, 10), (977, 1000)):
        for bound in wilson(hits, count):
            gap = abs(hits / count - bound)
            assert gap == pytest.approx(z * math.sqrt(bound * (1 - bound) / count), abs=1e-7)


def test_the_spread_is_that_of_a_loop_over_samples() -> None:
    logs, labels = answers(count=60)
    found = calibration(logs, labels, resamples=200, seed=3)
    samples = np.random.default_rng(3).integers(0, 60, (200, 60))
    naive = [calibration(logs[rows], labels[rows], resamples=0) for rows in samples]
    for name in ("ece", "brier", "nll"):
        drawn = [getattr(one, name).value for one in naive]
        spread = getattr(found, name)
        assert (spread.low, spread.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=1e-12)
        assert spread.low < spread.high


def test_samples_do_not_depend_on_how_many_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = np.random.default_rng(0).normal(size=(50, 3))
    whole = Bootstrap(50, 20, 1).means(columns)
    monkeypatch.setattr("cardinet.evaluate.calibration.AT_ONCE", 150)
    assert Bootstrap(50, 20, 1).means(columns) == pytest.approx(whole, abs=1e-14)
    assert Bootstrap(50, 20, 2).means(columns) != pytest.approx(whole, abs=1e-3)


def test_a_change_is_the_difference_of_both_and_knows_that_they_share_their_pictures() -> None:
    sharp, labels = answers(sharp=3.0)
    mild, _ = answers(sharp=1.0)
    found = changes(sharp, mild, labels, resamples=300)
    first, second = (calibration(logs, labels, resamples=300) for logs in (sharp, mild))
    for name, change in found.items():
        assert change.value == pytest.approx(getattr(second, name).value - getattr(first, name).value, abs=1e-12)
        assert change.high is not None
        assert change.high < 0, name  # the labels were drawn from the mild ones
    assert set(found) == {"ece", "brier", "nll"}
    assert all(change.value == change.low == change.high == 0 for change in changes(mild, mild, labels).values())


def test_nothing_is_measured_on_no_pictures() -> None:
    with pytest.raises(RequestError, match="no pictures"):
        calibration(np.zeros((0, 3)), np.zeros(0, np.int64))
