"""Scores against scikit-learn, number formats by hand, axes and pictures by their properties."""

from __future__ import annotations

import io
import math
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from cardinet.evaluate import scores
from cardinet.evaluate.intervals import wilson
from cardinet.report import confusion, curves, history, number_text, scales
from report.report_samples import digits_predictions


def test_scores_agree_with_scikit_learn() -> None:
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    _, truth, probabilities = digits_predictions()
    predicted = probabilities.argmax(1)
    predicted[predicted == 3] = 5  # a class that is never predicted
    matrix = confusion_matrix(truth, predicted, labels=range(10))
    rows = scores.scores(matrix, [str(k) for k in range(10)])
    assert rows[3].precision is None
    expected = precision_recall_fscore_support(truth, predicted, labels=range(10), zero_division=0)
    ours = [[getattr(r, key) or 0.0 for r in rows] for key in ("precision", "recall", "f1", "support")]
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    assert [r.missed for r in rows] == [int(((truth == k) & (predicted != k)).sum()) for k in range(10)]
    assert rows[3].taken_for == "5"


def test_scores_by_hand() -> None:
    rows = scores.scores(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]), "abc")
    assert (rows[0].precision, rows[0].recall, rows[0].f1) == (1.0, 0.75, 6 / 7)
    assert (rows[2].precision, rows[2].recall, rows[2].f1, rows[2].taken_for) == (None, None, None, "")
    assert (rows[0].taken_for, rows[0].taken) == ("b", 1)
    assert [r.name for r in scores.ranked(rows)] == ["b", "a"]
    assert scores.mean([1.0, None, 0.5]) == 0.75
    assert scores.mean([None]) is None


def test_pairs_and_shades() -> None:
    matrix = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
    found = [(p.truth, p.predicted, p.count, p.share) for p in scores.pairs(matrix, "abc")]
    assert found == [("a", "b", 2, 0.2), ("b", "a", 1, 0.1)]
    cells = confusion.cells(matrix)
    assert [c.count for c in cells[0]] == [8, 2, 0]
    assert cells[0][2].shade == cells[2][2].shade == 0
    assert cells[0][1].shade == round(math.sqrt(0.2), 3)


@pytest.mark.parametrize(("size", "side"), [(31, 31), (200, 200), (201, 101), (1000, 200)])
def test_coarse_picture(size: int, side: int) -> None:
    matrix = np.eye(size, dtype=np.int64) * 9
    matrix[0, size - 1] = 1
    picture = np.asarray(Image.open(io.BytesIO(confusion.coarse_picture(matrix))))
    assert picture.shape == (side, side, 4)
    assert tuple(picture[0, 0, :3]) == confusion.RIGHT
    assert tuple(picture[0, -1, :3]) == confusion.WRONG
    assert picture[0, -1, 3] > 0
    assert np.count_nonzero(picture[..., 3]) == side + 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number_text.count(25028904), "25,028,904"),
        (number_text.count(None), "\u2013"),
        (number_text.short(25028904), "25.0 M"),
        (number_text.short(9999), "9,999"),
        (number_text.short(194_900), "195 k"),
        (number_text.short(999_600), "1.00 M"),
        (number_text.short(4.26e9), "4.26 G"),
        (number_text.significant(0.099996), "0.100"),
        (number_text.significant(1453.2), "1,453"),
        (number_text.significant(0.05141), "0.0514"),
        (number_text.percent(4 / 360), "1.11 %"),
        (number_text.percent(0.0), "0 %"),
        (number_text.percent(1.0), "100 %"),
        (number_text.percent(0.99999, 1), "> 99.9 %"),
        (number_text.percent(0.00001, 1), "< 0.1 %"),
        (number_text.percent(-0.0111), "-1.11 %"),
        (number_text.percent(-0.00001), "> -0.01 %"),
        (number_text.percent(-1.0), "-100 %"),
        (number_text.percent(1.5), "150.00 %"),
        (number_text.percent(math.nan), "\u2013"),
        (number_text.duration(0.0049), "under 0.1 s"),
        (number_text.duration(0.0878), "0.1 s"),
        (number_text.duration(12.34), "12.3 s"),
        (number_text.duration(245), "4 min 05 s"),
        (number_text.duration(3599.7), "1 h 00 min"),
        (number_text.duration(8040), "2 h 14 min"),
        (number_text.duration(273_600), "3 d 4 h"),
        (number_text.number(0.0005), "5\u00d710\u207b\u2074"),
        (number_text.number(0.05), "0.05"),
        (number_text.number(1500.0), "1,500"),
        (number_text.plural(1, "picture"), "1 picture"),
        (number_text.plural(1234, "class"), "1,234 classes"),
    ],
)
def test_formats(text: str, expected: str) -> None:
    assert text.replace("\u00a0", " ") == expected


def test_interval_by_hand() -> None:
    low, high = wilson(4, 360)
    assert (round(low, 5), round(high, 5)) == (0.00433, 0.02822)
    assert wilson(0, 360)[0] == 0
    assert all(map(math.isnan, wilson(0, 0)))


@pytest.mark.parametrize("kind", ["linear", "log", "sqrt"])
@pytest.mark.parametrize("high", [1e-5, 0.013, 0.9, 7.0, 3e6])
def test_ticks_are_few_ordered_and_inside(kind: scales.Kind, high: float) -> None:
    scale = scales.Scale(kind, high / 500 if kind == "log" else 0.0, high)
    ticks = scale.ticks()
    places = [scale.position(t) for t in ticks]
    assert 3 <= len(ticks) <= 9
    assert places == sorted(places)
    assert -1e-9 <= places[0] <= places[-1] <= 1 + 1e-9
    assert min(b - a for a, b in pairwise(places)) > 0.08


def test_axes_suit_the_values() -> None:
    assert scales.for_loss([2.3, 0.01]).kind == "log"
    assert scales.for_loss([2.3, 1.9]).kind == "linear"
    assert scales.for_loss([0.0, 0.0]).high > 0
    assert scales.for_loss([-1.0, 2.0]).low < -1
    assert scales.for_error([0.9, 0.01, 0.0]).kind == "sqrt"
    assert scales.for_error([0.0]).high > 0
    assert scales.for_rate([0.1, 0.01, 0.001]).kind == "log"
    assert scales.for_rate([0.1, 0.1]).kind == "linear"


def test_long_lines_are_thinned_with_their_band() -> None:
    line = tuple((float(i), float(i % 10)) for i in range(1600))
    means, band = history.thinned(line)
    assert len(means) == len(band) == 160
    assert {y for _, y in means} == {4.5}
    assert {(low, high) for _, low, high in band} == {(0.0, 9.0)}
    assert history.thinned(line[:320]) == (line[:320], ())


def test_labels_never_touch() -> None:
    lines = [history.Line(f"run {i}", i, ((0.0, 1.0), (5.0, 0.5 + i / 1000))) for i in range(8)]
    svg = curves.chart(lines, scales.for_loss, describe="many")
    places = sorted(
        float(part.split('"')[0]) for name in svg.split('class="name')[1:] for part in [name.split('y="')[1]]
    )
    assert len(places) == 8
    assert min(b - a for a, b in pairwise(places)) >= 14.9


def test_a_chart_without_points_is_empty() -> None:
    assert curves.chart([history.Line("none", 0, ())], scales.from_zero, describe="") == ""
