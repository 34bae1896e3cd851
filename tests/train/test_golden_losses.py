"""The losses of a short run, as stored here. They change when anything between the scans and the optimizer does.

In float32 the rounding of another instruction set (or of two threads instead of one) has grown to 6e-4 by the second
step and to 1e-1 by the twelfth, so the list is taken in float64, where AVX-512 and SSE agree to 1e-12.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cardinet.data.preprocessing import Preprocessing
from train.runs_to_compare import train

RUN = {
    "length": "12 steps",
    "log_every": "1 step",
    "evaluate_every": "6 steps",
    "lr": 0.1,
    "weight_decay": 2e-3,
    "label_smoothing": 0.1,
}
"""What `quick` may change to train better is fixed here."""
FIRST_IN_FLOAT32 = 2.322018
FLOAT64 = [
    2.320971350, 2.682254024, 2.741373020, 2.483501437, 2.360226678, 2.696858245,
    2.317617846, 2.125193766, 2.035526121, 2.036469523, 2.118764846, 2.104145978,
]  # fmt: skip
EVALUATIONS = [(6, 163, 2.303092912), (12, 156, 2.248155570)]
"""Step, wrong pictures of 180, mean loss."""


@pytest.fixture
def in_float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks are made in float64, and pixels come in float64."""
    normalise = Preprocessing.normalise
    monkeypatch.setattr(Preprocessing, "normalise", lambda self, pixels: normalise(self, pixels).double())
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_twelve_steps_of_quick(tmp_path: Path, in_float64: None) -> None:
    rows = train(tmp_path / "run", RUN).rows()
    losses = [row["loss"] for row in rows if row["kind"] == "train"]
    assert len(losses) == len(FLOAT64) == 12
    assert losses == pytest.approx(FLOAT64, abs=1e-6)
    found = [(row["step"], row["wrong"], row["loss"]) for row in rows if row["kind"] == "evaluation"]
    assert len(found) == len(EVALUATIONS) == 2
    for row, expected in zip(found, EVALUATIONS, strict=True):
        assert row == pytest.approx(expected, abs=1e-6)


def test_the_first_step_as_a_user_runs_it(tmp_path: Path) -> None:
    """In float32, with one thread."""
    losses = [row["loss"] for row in train(tmp_path / "run", RUN).rows() if row["kind"] == "train"]
    assert len(losses) == 12
    assert losses[0] == pytest.approx(FIRST_IN_FLOAT32, abs=1e-4)
