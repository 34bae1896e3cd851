"""Average precision, thresholds and counts of labels against scikit-learn and against every possible threshold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional as F

from cardinet.base.errors import RequestError
from cardinet.data.labelling import ONE, SEVERAL
from cardinet.evaluate.label_intervals import bootstrap_interval
from cardinet.evaluate.label_scores import average_precision, best_thresholds, curve, label_scores, micro
from cardinet.evaluate.label_sets import LabelEvaluation, require_answers

Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.uint8]


def drawn(seed: int, count: int = 80, classes: int = 6, levels: int | None = None) -> tuple[Marks, Floats]:
    """Labels of unequal frequency and scores that know a little of them; with `levels` many scores are equal."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((count, classes)) < np.linspace(0.1, 0.7, classes)).astype(np.uint8)
    truth[0] = 1
    scores = 1 / (1 + np.exp(-(2 * truth - 1 + rng.normal(0, 1.5, truth.shape))))
    return truth, scores if levels is None else np.round(scores * levels) / levels


CASES = {"distinct": None, "ties": 10, "many ties": 3, "one score": 1}


@pytest.mark.parametrize("case", CASES)
def test_average_precision_is_that_of_scikit_learn(case: str) -> None:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    for seed in range(5):
        truth, scores = drawn(seed, levels=CASES[case])
        for k in range(truth.shape[1]):
            found = average_precision(truth[:, k], scores[:, k])
            assert found == pytest.approx(average_precision_score(truth[:, k], scores[:, k]), rel=1e-12)
            drawing = curve(truth[:, k], scores[:, k])
            assert drawing is not None
            precision, recall, _ = precision_recall_curve(truth[:, k], scores[:, k])
            assert drawing.recall == pytest.approx(recall[:-1][::-1])
            assert drawing.precision == pytest.approx(precision[:-1][::-1])
    assert len(CASES) == 4


@pytest.mark.parametrize("levels", [None, 5])
def test_the_interval_is_that_of_resampled_pictures(levels: int | None) -> None:
    """The same draws, made as arrays of pictures and scored by scikit-learn."""
    from sklearn.metrics import average_precision_score

    truth, scores = drawn(2, count=30, classes=4, levels=levels)
    truth[:, 3] = 0
    truth[4, 3] = 1  # in about a third of the draws this class has no picture
    rng, means, without = np.random.default_rng(9), [], 0
    for _ in range(60):
        rows = rng.integers(0, 30, 30)
        known = [k for k in range(4) if truth[rows, k].any()]
        without += len(known) < 4
        means.append(np.mean([average_precision_score(truth[rows, k], scores[rows, k]) for k in known]))
    assert 5 < without < 55
    found = bootstrap_interval(truth, scores, resamples=60, seed=9)
    assert found == pytest.approx(tuple(np.quantile(means, (0.025, 0.975))), rel=1e-12)
    assert bootstrap_interval(truth, scores, resamples=60, seed=8) != found
    assert bootstrap_interval(truth, scores) == bootstrap_interval(truth, scores)


def test_an_interval_that_would_take_minutes_or_has_no_label_is_none() -> None:
    assert bootstrap_interval(np.zeros((5, 2), np.uint8), np.zeros((5, 2))) is None
    many = np.broadcast_to(np.uint8(1), (100_000, 80)), np.broadcast_to(np.float64(1), (100_000, 80))
    assert bootstrap_interval(*many) is None


def test_a_class_without_a_picture_has_none() -> None:
    assert average_precision(np.zeros(5, np.uint8), np.arange(5.0)) is None
    assert average_precision(np.ones(5, np.uint8), np.arange(5.0)) == 1.0


@pytest.mark.parametrize("levels", [None, 10, 2])
def test_thresholds_are_the_best_of_all(levels: int | None) -> None:
    from sklearn.metrics import f1_score

    truth, chances = drawn(3, levels=levels)
    truth[:, 2] = 0
    found = best_thresholds(truth, chances)
    assert found[2] == 0.5  # there is nothing to fit it to
    for k in (0, 1, 3, 4, 5):
        every = [f1_score(truth[:, k], chances[:, k] >= t) for t in np.unique(chances[:, k])]
        assert f1_score(truth[:, k], chances[:, k] >= found[k]) == pytest.approx(max(every), rel=1e-12)
        assert 0 <= found[k] <= 1


def test_a_threshold_lies_between_the_pictures() -> None:
    chances = np.array([[0.9], [0.8], [0.2], [0.1]])
    assert best_thresholds(np.array([[1], [1], [0], [0]], np.uint8), chances) == pytest.approx((0.5,))
    assert best_thresholds(np.array([[1], [0], [0], [0]], np.uint8), chances) == pytest.approx((0.85,))
    neighbours = np.array([[0.3], [np.nextafter(0.3, 0)]])
    (found,) = best_thresholds(np.array([[1], [0]], np.uint8), neighbours)
    assert (neighbours >= found).tolist() == [[True], [False]]


def test_counts_and_rates_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, f1_score, hamming_loss, precision_score, recall_score

    truth, chances = drawn(4, levels=20)
    thresholds = tuple(np.linspace(0.2, 0.8, 6))
    decided = chances >= np.array(thresholds)
    result = LabelEvaluation("test", 80, truth, np.log(np.clip(chances, 1e-9, 1 - 1e-9)), (0.5,) * 6, 5).at(thresholds)
    rows = result.scores(list("abcdef"))
    assert rows == label_scores(truth, result.logs, decided, thresholds, list("abcdef"))
    for name, function in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        own = [getattr(row, name) for row in rows]
        assert own == pytest.approx(function(truth, decided, average=None))
        assert getattr(micro(rows), name) == pytest.approx(function(truth, decided, average="micro"))
    summary = result.to_document(list("abcdef"))
    assert summary["wrong"] == 80 - accuracy_score(truth, decided, normalize=False)
    assert summary["hamming_loss"] == pytest.approx(hamming_loss(truth, decided))
    assert summary["macro_f1"] == pytest.approx(f1_score(truth, decided, average="macro"))
    assert summary["error"] == pytest.approx(
        1 - np.mean([value for value in result.average_precisions if value is not None])
    )


def test_the_loss_is_the_binary_cross_entropy_also_of_sure_answers() -> None:
    truth = np.array([[1, 0], [0, 1], [1, 1]], np.uint8)
    logits = torch.tensor([[30.0, -40.0], [5.0, 2.0], [-60.0, 0.1]], dtype=torch.float64)
    result = LabelEvaluation("test", 3, truth, SEVERAL.log_probabilities(logits).numpy(), (0.5, 0.5), 2)
    expected = F.binary_cross_entropy_with_logits(logits, torch.from_numpy(truth).double())
    assert result.loss == pytest.approx(float(expected), rel=1e-9)


def test_very_sure_answers_keep_their_order() -> None:
    """Probabilities of logits above 36 are all 1 in float64; their logarithms are not."""
    truth = np.array([[1], [0], [1]], np.uint8)
    logs = SEVERAL.log_probabilities(torch.tensor([[60.0], [50.0], [40.0]])).numpy()
    assert np.exp(logs).tolist() == [[1.0], [1.0], [1.0]]
    assert LabelEvaluation("test", 3, truth, logs, (0.5,), 1).mean_average_precision == pytest.approx(5 / 6)


def test_answers_that_do_not_fit_in_memory_are_refused() -> None:
    require_answers(1000, 100)
    with pytest.raises(RequestError, match="The answers to 1,000,000,000,000 pictures"):
        require_answers(10**12, 100)


def test_mistakes_of_a_batch() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.0], [-1.0, 3.0, 1.0]])
    assert int(SEVERAL.mistakes(logits, torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]))) == 2
    assert int(SEVERAL.mistakes(logits, torch.tensor([[0.6, 0.4, 0.5], [0.2, 0.9, 0.7]]))) == 0
    assert int(ONE.mistakes(logits, torch.tensor([0, 2]))) == 1
    assert int(ONE.mistakes(logits, torch.tensor([[0.1, 0.9, 0.0], [0.0, 0.6, 0.4]]))) == 1
    assert (SEVERAL.decisions(3), ONE.decisions(3)) == (3, 1)
