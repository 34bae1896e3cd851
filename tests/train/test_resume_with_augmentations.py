"""A run with every augmentation of the table, crashed and resumed, gives the bits of the run that was never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cardinet.data.data_settings import AUGMENTATIONS
from cardinet.report.run_report import collect
from cardinet.runs.folder import RunFolder
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from train.runs_to_compare import DIGITS, PHOTOGRAPHS, differences, train
from train.test_exact_resume import Crash, Stopper

VARIED = (
    "Flip, ColorJitter(brightness=0.4, hue=0.1), Lighting, RandAugment(num_ops=2, magnitude=9), TrivialAugment, "
    'AugMix, RandomErasing(value="noise")'
)
SMALL = {"network.id": "resnet20_cifar", "depths": [1, 1, 1], "widths": [4, 8, 16], "stem.width": 4, "threads": 1}
RUNS: dict[str, dict[str, Any]] = {
    "in memory": {**DIGITS, **SMALL, "length": "24 steps", "augmentation": f"PadCrop(pad=1), {VARIED}"},
    "photographs": {**PHOTOGRAPHS, **SMALL, "length": "12 steps", "augmentation": f"ResizedCrop, {VARIED}"},
}


@pytest.fixture(autouse=True)
def every_step_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardinet.train.loop.SECONDS_TO_SHOW", {"cpu": -1.0})


@pytest.mark.parametrize("name", RUNS)
def test_a_crashed_run_goes_on_exactly(name: str, photographs: Path, tmp_path: Path) -> None:
    photos = name == "photographs"
    one, two = (RUNS[name] | ({"source": str(photographs), "workers": n} if photos else {}) for n in (0, 2))
    whole = train(tmp_path / "whole", one)
    stopper = Stopper(10 if photos else 22, "crash")  # after an evaluation, which saves
    with pytest.raises(Crash):
        train(tmp_path / "run", two, stopper)
    resume(tmp_path / "run", Listener())
    assert differences(whole.path, tmp_path / "run") == []
    said = collect(RunFolder(tmp_path / "run")).augmentation.replace("\u00a0", " ")
    assert "2 drawn operations of magnitude 9 of 30 (RandAugment); one drawn operation of drawn magnitude (Triv" in said
    assert said.endswith(
        "lighting varied by 0.1 along the main axes of colour; a rectangle erased with probability 0.5"
    )


def test_every_augmentation_is_in_a_run() -> None:
    texts = " ".join(run["augmentation"] for run in RUNS.values())
    assert all(name in texts for name in AUGMENTATIONS.rows)
    assert len(AUGMENTATIONS.rows) == 9
