"""The table of the classes stays readable, of however many and however long their names are."""

from __future__ import annotations

import numpy as np
import pytest

from cardinet.cli.score_table import score_table
from cardinet.evaluate.classification import Evaluation


def result(classes: int, pictures: int = 2000) -> Evaluation:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, classes, pictures)
    answer = np.where(draw.random(pictures) < 0.3, draw.integers(0, classes, pictures), truth)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (truth, answer), 1)
    ones = np.ones((pictures, 1))
    return Evaluation("test", pictures, 1.0, confusion, None, truth, answer[:, None], ones, ones[:, 0])


@pytest.mark.parametrize(("classes", "lines"), [(2, 4), (10, 12), (40, 42), (41, 32), (1000, 32)])
def test_lines_and_width(classes: int, lines: int) -> None:
    for name in ("{}", "a name that is far too long for a terminal, for it has no end, number {}"):
        found = score_table(result(classes), [name.format(k) for k in range(classes)])
        assert len(found) == lines
        assert max(map(len, found)) <= 120
        columns = found[0].index("pictures") + len("pictures")
        assert {line[columns] for line in found[1 : min(classes, 20) + 1]} == {" "}
    assert ("hardest" in found[0]) == (classes > 40)


def test_by_hand() -> None:
    counts = np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
    flat = Evaluation("test", 6, 1.0, counts, None, *[np.zeros(6)] * 4)  # type: ignore[arg-type]
    assert score_table(flat, ["cat", "dog", "no picture"]) == [
        "class       pictures  missed  precision    recall        F1  mostly taken for",
        "cat                4       1   100.00 %   75.00 %   85.71 %  dog (1)",
        "dog                2       0    66.67 %  100.00 %   80.00 %",
        "no picture         0       0          -         -         -",
        "mean                            83.33 %   87.50 %   82.86 %",
    ]
