"""Pictures that grow during a run: the sides of the steps, runs and their times, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cardinet.base.errors import RequestError
from cardinet.evaluate.classification import evaluate
from cardinet.runs.model_file import load_model
from cardinet.train.clock import Clock
from cardinet.train.estimate import estimate
from cardinet.train.job import resume
from cardinet.train.listener import Listener, Tick
from cardinet.train.methods.progressive_resizing import ProgressiveResizing
from cardinet.train.picture_sides import PictureSides
from cardinet.train.request import Request, Resolved, resolve
from train.runs_to_compare import PHOTOGRAPHS, differences, make_photographs, train
from train.test_exact_resume import Crash, Stopper
from train.test_methods import SHORT, every_step_is_shown

__all__ = ["every_step_is_shown"]

GROWING = 'ProgressiveResizing(start=4, by=2, until="30 steps")'
CLOCK = Clock(steps_per_epoch=10, batch_size=4, length=100, log_every=1, evaluate_every=10)


def resolved(**settings: Any) -> Resolved:
    wanted = {key: value for key, value in (SHORT | settings).items() if value is not None}
    return resolve(Request(settings=tuple(wanted.items())), Listener())


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ({"start": 128}, ((0, 128), (27, 160), (53, 192), (80, 224))),
        ({"start": 128, "by": 96, "until": "100 %"}, ((0, 128), (100, 224))),
        ({"start": 160, "begin": "5 epochs", "until": "7 epochs"}, ((0, 160), (60, 192), (70, 224))),
        ({"start": 100, "by": 50, "until": "60 steps"}, ((0, 100), (20, 150), (40, 200), (60, 224))),
        ({"start": 160, "end": 160}, ((0, 160),)),
        ({"start": 160, "end": 200, "until": "60 steps"}, ((0, 160), (30, 192), (60, 200))),
        ({"start": 220, "by": 1, "until": "2 steps"}, ((0, 221), (1, 222), (2, 224))),
    ],
)
def test_the_sides_of_the_steps(method: dict[str, Any], expected: tuple[tuple[int, int], ...]) -> None:
    changes = tuple(ProgressiveResizing.model_validate(method).sides(CLOCK, 224))
    assert changes == expected
    sides = PictureSides(changes)
    assert [sides.of_step(step) for step, _ in changes] == [side for _, side in changes]
    assert all(sides.of_step(step - 1) == side for (step, _), (_, side) in zip(changes[1:], changes, strict=False))
    assert sides.share(100, 224) == pytest.approx(sum(sides.of_step(i) ** 2 for i in range(100)) / (100 * 224**2))
    assert sides.share(37, 224) == pytest.approx(sum(sides.of_step(i) ** 2 for i in range(37)) / (37 * 224**2))


class Ticks(Listener):
    def __init__(self) -> None:
        super().__init__()
        self.ticks: list[Tick] = []

    def stepped(self, tick: Tick) -> None:
        self.ticks.append(tick)


def test_a_run_trains_on_growing_pictures_and_is_judged_at_the_last_side(tmp_path: Path) -> None:
    listener = Ticks()
    settings = SHORT | {"methods": GROWING, "log_every": "1 step"}
    folder = train(tmp_path / "run", settings, listener)
    sides = [row["side"] for row in folder.rows() if row["kind"] == "train"]
    assert sides == [4] * 15 + [6] * 15 + [8] * 20
    assert folder.record().preprocessing.crop == 8
    assert any(
        note.startswith("Sides of the training pictures in pixels: 4 from step 0,") for note in folder.record().notes
    )
    model = load_model(folder.model)
    task = resolved(methods=GROWING).task
    found = evaluate(model.network, task.source.splits["validation"], task.preprocessing, 10)
    rows = [row for row in folder.rows() if row["kind"] == "evaluation"]
    assert found.error == min(row["error"] for row in rows)
    # Of 15 steps at a quarter and 15 at 9/16 of the pixels, and 20 at all of them, 32.2 count.
    late = next(tick for tick in listener.ticks if tick.step == 15)
    assert late.seconds_left == pytest.approx(late_seconds(folder.rows(), 15) * (32.1875 - 3.75) / 3.75, rel=0.5)


def late_seconds(rows: list[dict[str, Any]], step: int) -> float:
    return float(next(row["seconds"] for row in rows if row["kind"] == "train" and row["step"] == step))


@pytest.mark.long
@pytest.mark.parametrize("workers", [0, 2])
def test_photographs_resume_bit_for_bit_with_any_number_of_workers(tmp_path: Path, workers: int) -> None:
    source = str(make_photographs(tmp_path / "pictures"))
    settings = PHOTOGRAPHS | {"data.source": source, "augmentation": "ResizedCrop, Flip"}
    settings |= {"methods": 'ProgressiveResizing(start=16, by=8, until="12 steps")'}
    whole = train(tmp_path / "whole", settings | {"workers": 0}).path
    with pytest.raises(Crash):
        train(tmp_path / "cut", settings | {"workers": workers}, Stopper(9, "crash"))
    assert differences(resume(tmp_path / "cut", Listener()).path, whole) == []


def test_the_estimate_counts_the_pixels() -> None:
    """The memory is that of the largest pictures; the time is less."""
    plain, growing = resolved(), resolved(methods='ProgressiveResizing(start=4, by=4, until="100 %")')
    assert growing.memory == plain.memory
    assert growing.task.sides.share(50, 8) == 0.25
    found = estimate(growing.task, growing.memory)
    assert found.seconds is not None
    assert found.images_per_second is not None
    assert found.seconds * found.images_per_second == pytest.approx(50 * growing.task.clock.batch_size)


WRONG = {
    "ProgressiveResizing(start=8)": "start = 8: the input has 8 x 8 pixels; give a smaller start",
    "ProgressiveResizing(start=2)": "the network divides each side by 4, which leaves less than a pixel; give 8",
    'ProgressiveResizing(start=4, until="51 steps")': "are steps 0 and 51 of 50: give times that rise, within the run",
    'ProgressiveResizing(start=4, begin="9 steps", until="9 steps")': "are steps 9 and 9 of 50",
    "ProgressiveResizing(start=4, end=9)": "end = 9: the input has 8 x 8 pixels; give a smaller end",
    "ProgressiveResizing(start=6, end=5)": "start = 6 is more than end = 5",
    "ProgressiveResizing(start=0)": "greater than or equal to 1",
    "ProgressiveResizing": "start",
    "ProgressiveResizing(start=4), AuxiliaryHeads(at=layer1, kind=googlenet)": "average the maps first with",
}


@pytest.mark.parametrize("method", WRONG)
def test_what_is_refused(method: str) -> None:
    with pytest.raises(RequestError) as caught:
        resolved(methods=method)
    assert WRONG[method] in str(caught.value)


def test_all_findings_at_once() -> None:
    with pytest.raises(RequestError) as caught:
        resolved(
            methods='ProgressiveResizing(start=9, until="99 epochs")', objective="CrossEntropy(label_smoothing=0.1)"
        )
    assert len(caught.value.findings) == 2


def test_a_network_that_needs_larger_pictures() -> None:
    """Inception has convolutions without padding."""
    with pytest.raises(RequestError, match="the network cannot take pictures of 48 x 48 pixels"):
        resolved(
            **{
                "network.id": "inception_v3",
                "depths": None,
                "widths": None,
                "stem.width": None,
                "size": 96,
                "methods": "ProgressiveResizing(start=48)",
            }
        )


def test_a_teacher_must_take_every_side(teacher: Path) -> None:
    method = f"ProgressiveResizing(start=4), Distillation(teacher={teacher})"
    assert resolved(methods=method).task.sides.all == (4, 8)
