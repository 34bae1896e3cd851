"""Run folders and model files of an earlier version: read, evaluated, shown, resumed in the same bits, or refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import cardinet
from cardinet.base.errors import CardinetError
from cardinet.data.augmentations.pad_crop import PadCrop
from cardinet.report.run_report import write_report
from cardinet.runs.checkpoint import load_checkpoint
from cardinet.runs.environment import EXACT, hardware, versions
from cardinet.runs.folder import RunFolder
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from cardinet.train.objectives.cross_entropy import CrossEntropy
from cardinet.train.recipe import make_recipe
from cardinet.weights.read_file import read_tensors

HERE = Path(__file__).parent
EXPECTED: dict[str, Any] = json.loads((HERE / "expected.json").read_text())
RUNS, MODELS = ("plain", "pruned"), ("plain", "rewritten")
TIMES = ("seconds", "images_per_second", "waiting")


def copied(name: str, to: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(HERE / name, to / name)))


def digest(tensors: dict[str, Tensor]) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return found.hexdigest()


def same_versions(folder: RunFolder) -> bool:
    now, then = versions(), folder.record().versions
    return all(now[name] == then[name] for name in EXACT)


def test_what_is_there() -> None:
    assert (tuple(EXPECTED["runs"]), tuple(EXPECTED["models"])) == (RUNS, MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_file_predicts_what_it_did(name: str) -> None:
    model = cardinet.load(HERE / f"{name}.safetensors")
    pixels = torch.linspace(-2, 2, 2 * 64, dtype=torch.float64).reshape(2, 1, 8, 8)
    with torch.no_grad():
        logits = model.network.double().eval()(pixels)
    torch.testing.assert_close(logits, torch.tensor(EXPECTED["models"][name], dtype=torch.float64), rtol=0, atol=1e-12)
    assert model.classes == tuple("0123456789")


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_read_and_shown(tmp_path: Path, name: str) -> None:
    """Its recipe has today's keys, and nothing but the settings that say something."""
    folder = copied(name, tmp_path)
    recipe = make_recipe(folder.record().recipe)
    assert (type(recipe.optimizer).__name__, recipe.optimizer.lr) == ("SGD", 0.1 if name == "plain" else 0.05)
    assert type(recipe.schedule).__name__ == "Cosine"
    assert recipe.objective == CrossEntropy(label_smoothing=0.1 if name == "plain" else 0.0)
    assert {kind: part.model_dump()["keep_macs"] for kind, part in recipe.methods.items()} == (
        {} if name == "plain" else {"Pruning": 0.6}
    )
    page = write_report(folder).read_text()
    assert "resnet20_cifar" in page
    assert ("The training loss includes label smoothing of 0.1" in page) is (name == "plain")
    assert cardinet.evaluate(cardinet.load(folder.model), "digits", split="validation").count == 180


@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on_in_the_same_bits(tmp_path: Path, name: str) -> None:
    """On the processor that it began on; elsewhere as nearly as rounding allows. Other versions refuse it."""
    folder, expected = copied(name, tmp_path), EXPECTED["runs"][name]
    if not same_versions(folder):
        with pytest.raises(CardinetError, match="install the same to resume"):
            resume(folder.path, Listener())
        return
    resume(folder.path, Listener())
    rows = [{key: value for key, value in row.items() if key not in TIMES} for row in folder.rows()]
    assert len(rows) == len(expected["rows"]) == 15
    if folder.record().hardware["cpu"] == hardware("cpu")["cpu"]:
        assert rows == expected["rows"]
        assert digest(load_checkpoint(folder.last)[0]) == expected["last"]
        assert digest(read_tensors(folder.model)) == expected["model"]
    for row, then in zip(rows, expected["rows"], strict=True):
        assert row["loss"] == pytest.approx(then["loss"], rel=0.2)


def test_a_run_that_varies_its_pictures_is_refused(tmp_path: Path) -> None:
    """Its augmentation drew by position; what it is stays readable."""
    folder = copied("augmented", tmp_path)
    assert folder.record().augmentation == {"PadCrop": PadCrop(pad=1)}
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    with pytest.raises(CardinetError, match="augmentation of this version draws other numbers"):
        resume(folder.path, Listener())
    assert {path: path.read_bytes() for path in before} == before
