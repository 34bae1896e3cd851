"""A training request with many faults says all of them at once, by the command line's way and from a program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cardinet.base.errors import CardinetError, RequestError
from cardinet.python.train import train
from cardinet.runs.ranks import ALONE, Ranks
from cardinet.train.listener import Listener
from cardinet.train.objectives.cross_entropy import CrossEntropy
from cardinet.train.request import Request, resolve


def said(settings: Sequence[tuple[str, Any]], *, ranks: Ranks = ALONE, **more: Any) -> tuple[str, ...]:
    """The findings on a request."""
    with pytest.raises(CardinetError) as caught:
        resolve(Request(settings=tuple(settings), **more), Listener(), ranks=ranks)
    return caught.value.findings


def test_faults_of_the_combination_and_beside_it(photographs: Path, teacher: Path, tmp_path: Path) -> None:
    """Three processes, a batch that they cannot divide, a teacher of other classes and pictures, a device, a folder."""
    (tmp_path / "there").mkdir()
    found = said(
        [
            ("data.source", str(photographs)),
            ("training.batch_size", 16),
            ("methods.Distillation.teacher", str(teacher)),
            ("machine.device", "cuda:99"),
            ("methods.WeightAverage.decay", 0.9),
        ],
        ranks=Ranks(0, 3, 0, 3),
        out=tmp_path / "there",
        watch=("tensorbord",),
    )
    parts = (
        'The device "cuda:99" is not there',
        "there exists; give --out a folder that does not",
        'There is no tracker "tensorbord"',
        "batch_size = 16: 3 processes cannot divide it into equal parts; give 15 or 18",
        "has the classes 0, 1, 2, 3, 4, ... (10), and the pictures have ant, bee, cat",
        "takes grey pictures, and these are colour",
    )
    for part in parts:
        assert sum(part in text for text in found) == 1, (part, found)
    assert len(found) == len(parts), found


def test_mixing_with_an_objective_of_one_class_is_said_with_the_rest(
    photographs: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All objectives take mixed pictures today, so the test changes one."""
    monkeypatch.setattr(CrossEntropy, "PROBABILITIES", False)
    mixed = [("data.source", str(photographs)), ("methods.Mixup.alpha", 0.2), ("methods.CutMix.alpha", 1.0)]
    found = said([*mixed, ("machine.device", "tpu"), ("methods.Distillation.teacher", str(teacher))])
    parts = ("methods.Mixup makes labels", "methods.CutMix makes labels", 'no device "tpu"', "has the classes", "grey")
    for part in parts:
        assert sum(part in text for text in found) == 1, (part, found)
    assert len(found) == len(parts), found


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        (
            "methods",
            "Mixup(alpha=-1), Nothing, Freeze(layers=3)",
            ('"Nothing"', "Mixup.alpha = -1", "Freeze.layers = 3"),
        ),
        ("augmentation", "Flip(probability=7), Bent, Crooked", ('"Bent"', '"Crooked"', "Flip.probability = 7")),
        ("methods", [{"part": "Mixup", "alpha": -1}, {"part": "Nothing"}], ('"Nothing"', "Mixup.alpha = -1")),
        ("methods", "Mixup(kind=3), Nothing", ('"Nothing"', '"Mixup.kind" (known: alpha, probability)')),
    ],
)
def test_an_unknown_part_hides_no_fault_of_the_others(key: str, value: Any, parts: Sequence[str]) -> None:
    found = said([(key, value), ("optimizer.lr", -1.0)])
    for part in (*parts, "optimizer.lr = -1"):
        assert sum(part in text for text in found) == 1, (part, found)
    assert len(found) == len(parts) + 1, found


def test_a_momentum_that_is_not_there_cannot_move() -> None:
    rising, falling = "OneCycle(momenta=[0.85, 0.95])", "OneCycle(momenta=[0.95, 0.85])"
    found = said([("schedule", falling), ("machine.device", "tpu")])
    assert len(found) == 2, found
    assert any("give them in rising order" in text for text in found)
    for optimizer, name in (("SGD(momentum=0)", "momentum"), ("AdamW(betas=[0.0, 0.9])", "betas")):
        (text,) = said([("schedule", rising), ("optimizer", optimizer)])
        assert f"optimizer.{name} is 0, and schedule.momenta moves it" in text


def test_other_classes_than_the_data_has(photographs: Path, tmp_path: Path) -> None:
    found = said([("data.source", str(photographs)), ("network.num_classes", 7)], out=tmp_path)
    assert [text for text in found if "num_classes = 7: the data has 3 classes" in text]
    assert [text for text in found if f"{tmp_path} exists" in text]
    assert len(found) == 2


def test_a_table_says_all_of_its_rows_beside_the_settings(photographs: Path, tmp_path: Path) -> None:
    rows = [
        "file,label",
        "train/bee/1.jpg,bee",
        "train/ant/0.jpg,ant",
        "train/ant/0.jpg,ant",
        "train/ant/0.jpg,bee",
        "train/bee/0.jpg,",
    ]
    table = photographs / "rows.csv"
    table.write_text("\n".join([*rows, "train/gone.jpg,cat", ""]))
    try:
        found = said([("data.source", f"csv:{table}"), ("optimizer.lr", -1.0)], out=tmp_path, watch=("nothere",))
    finally:
        table.unlink()
    parts = ("duplicate-row: line 4", "two-labels: line 5", "no-label: line 6", "missing-file: line 7")
    beside = ("optimizer.lr = -1.0", f"{tmp_path} exists", 'no tracker "nothere"')
    for part in (*parts, *beside):
        assert sum(part in text for text in found) == 1, (part, found)
    assert len(found) == len(parts) + len(beside)


def test_a_source_without_pictures_is_said_beside_the_settings(tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
    found = said([("data.source", str(tmp_path / "pictures")), ("machine.device", "tpu")], out=tmp_path)
    for part in ("no-pictures", 'no device "tpu"', f"{tmp_path} exists"):
        assert any(part in text for text in found), (part, found)


def test_a_program_gets_the_same_findings(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        train(data="nothere", out=tmp_path, watch=["nothere"], lr=-1.0, listener=Listener())
    for part in ('"nothere"', f"{tmp_path} exists", 'no tracker "nothere"', "optimizer.lr = -1.0"):
        assert part in str(caught.value), part
    assert len(caught.value.findings) == 4
