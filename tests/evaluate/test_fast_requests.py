"""Predictions and evaluations by the fastest runtime: their answers, their records, and how stopped work goes on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import cardinet
from cardinet.base.errors import RequestError, WorkError
from cardinet.build.builder import build
from cardinet.cli.main import outcome
from cardinet.data.preprocessing import Preprocessing
from cardinet.evaluate.bulk import Watcher, open_worker, predict_in_shards
from cardinet.evaluate.prediction_request import Request, resolve
from cardinet.fast import use
from cardinet.fast.use import NEVER, WHERE_IT_PAYS, Wanted
from cardinet.networks.registry import find
from cardinet.runs.computed_by import EAGER, ComputedBy
from cardinet.runs.model_file import Model, save_model
from cardinet.runs.results import Results
from cardinet.runs.shard_folder import MANIFEST
from fast.made_up_runtimes import Installed, same, wrong

COUNT = 71
FAST = Wanted(fast=True)
KERNELS = ComputedBy(runtime="kernels", precision="float32")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Installed:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Installed(monkeypatch, kernels=same)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = find("resnext11_8x16d_digits").spec.but(num_classes=10, in_channels=1)
    how = Preprocessing(channels=1, resize=None, crop=8, mean=(0.5,), std=(0.2,))
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(file, Model(build(spec).eval(), spec, tuple("0123456789"), how))
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """71 pictures; the first one and the last one are damaged."""
    root = tmp_path_factory.mktemp("pictures")
    for i in range(COUNT):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{i:02}.png")
    for i in (0, COUNT - 1):
        (root / f"{i:02}.png").write_bytes(b"no picture")
    return root


def predicted(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[list[dict[str, Any]], str]:
    capsys.readouterr()
    outcome(["predict", *map(str, words), "--device", "cpu", "--workers", "1", "--batch-size", "16"])
    said = capsys.readouterr()
    return [json.loads(line) for line in said.out.splitlines()], said.err


def test_the_command_predicts_the_same(
    model: Path, folder: Path, installed: Installed, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, said = predicted(capsys, model, folder, "--no-fast")
    assert "kernels" not in said
    found, said = predicted(capsys, model, folder, "--fast")
    assert "kernels in float32 runs the network, as measured: a batch of 16 took kernels" in said
    assert installed["kernels"].passes >= -(-COUNT // 16)
    assert len(found) == len(plain) == COUNT - 2
    for one, other in zip(found, plain, strict=True):
        assert (one["path"], one["class"]) == (other["path"], other["class"])
        assert one["probability"] == pytest.approx(other["probability"], rel=1e-4)
    (alone,), said = predicted(capsys, model, folder / "03.png", "--fast", "--json")
    assert alone["probability"] == pytest.approx(plain[2]["probability"], rel=1e-4)
    answers, said = predicted(capsys, model, folder / "00.png", "--fast")
    assert answers == []
    assert "none of the first pictures can be used to choose a runtime" in said


def test_a_folder_of_many_pictures_is_run_so_without_an_option(
    model: Path, folder: Path, installed: Installed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "kernels" not in predicted(capsys, model, folder)[1]
    monkeypatch.setattr(use, "_seconds", lambda network, pixels: 60.0)
    assert "It was chosen because 71 pictures are many; --no-fast forbids it." in predicted(capsys, model, folder)[1]
    assert "kernels" not in predicted(capsys, model, folder, "--no-fast")[1]
    assert "kernels" not in predicted(capsys, model, folder / "01.png", "--json")[1]


@pytest.fixture
def request_for(model: Path, folder: Path, tmp_path: Path) -> Callable[..., Request]:
    def make(**changes: Any) -> Request:
        plain = Request(
            model=model,
            pictures=(str(folder),),
            out=f"parquet:{tmp_path / 'answers'}",
            shard_rows=30,
            batch_size=16,
            workers=1,
            wanted=FAST,
        )
        return replace(plain, **changes)

    return make


def made(request: Request) -> tuple[str, ...]:
    """Make the missing shards. What is said of the runtime."""
    prepared = resolve(request)
    predict_in_shards(prepared, Watcher())
    return prepared.opened.notes


def recorded(folder: Path) -> tuple[list[dict[str, str]], list[str]]:
    """What the manifest says of the runtimes, and the runtime in each shard's metadata."""
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["schema_version"] == 2
    metadata = [pq.read_schema(file).metadata for file in sorted(folder.glob("*.parquet"))]
    assert all(about[b"cardinet_precision"] == b"float32" for about in metadata)
    return manifest["computed_by"], [about[b"cardinet_runtime"].decode() for about in metadata]


def test_a_stopped_folder_goes_on_with_its_runtime(
    request_for: Callable[..., Request], installed: Installed, tmp_path: Path
) -> None:
    answers = tmp_path / "answers"
    assert made(request_for())[0].startswith("kernels in float32 runs the network")
    first = (answers / "part-00001.parquet").read_bytes()
    assert recorded(answers) == ([KERNELS.model_dump()], ["kernels"] * 3)
    (answers / "part-00001.parquet").unlink()
    (tmp_path / "cache" / "cardinet" / "fast").rename(tmp_path / "lost")
    assert made(request_for(wanted=WHERE_IT_PAYS)) == (
        "kernels in float32 goes on, which has computed the answers that are there.",
    )
    assert installed.measurements == 1
    assert (answers / "part-00001.parquet").read_bytes() == first
    assert recorded(answers) == ([KERNELS.model_dump()], ["kernels"] * 3)
    assert made(request_for()) == ()  # nothing is missing


def test_a_change_is_said_and_recorded(
    request_for: Callable[..., Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = tmp_path / "answers"
    made(request_for())
    for shard, wanted in ((0, NEVER), (1, NEVER), (2, FAST)):
        (answers / f"part-0000{shard}.parquet").unlink()
        (said,) = made(request_for(wanted=wanted)) or ("",)
        assert ("eager in float32 computes the others: --no-fast forbids it." in said) == (shard == 0)
    assert recorded(answers) == ([KERNELS.model_dump(), EAGER.model_dump()], ["eager"] * 3)

    begun = json.loads((answers / MANIFEST).read_text())
    (answers / MANIFEST).write_text(json.dumps({**begun, "computed_by": [KERNELS.model_dump()]}))
    (answers / "part-00000.parquet").unlink()
    Installed(monkeypatch, kernels=wrong)
    with pytest.raises(WorkError, match="kernels cannot be used now, as its answers differ") as error:
        open_worker(request_for())  # in a process of an engine nobody would hear of it
    assert "Give --no-fast" in error.value.findings[-1]
    assert "kernels cannot be used now, as its answers differ" in made(request_for())[0]


def test_a_folder_of_the_first_schema_goes_on(request_for: Callable[..., Request], tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    made(request_for(wanted=WHERE_IT_PAYS))
    begun = json.loads((answers / MANIFEST).read_text())
    del begun["computed_by"]
    (answers / MANIFEST).write_text(json.dumps({**begun, "schema_version": 1}))
    (answers / "part-00000.parquet").unlink()
    assert made(request_for(wanted=FAST)) == (
        "The answers that are there were computed by eager in float32, which goes on.",
    )
    assert json.loads((answers / MANIFEST).read_text())["schema_version"] == 1


def test_other_precisions_are_another_request(request_for: Callable[..., Request]) -> None:
    made(request_for())
    with pytest.raises(RequestError, match=r"the precisions \(--precision\): none there, float32, bfloat16 here"):
        resolve(request_for(wanted=Wanted(fast=True, precisions=("bfloat16",))))


def test_processes_of_an_engine_take_the_runtime_of_the_folder(
    request_for: Callable[..., Request], installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use, "_seconds", lambda network, pixels: 60.0)
    monkeypatch.setattr("cardinet.evaluate.prediction_request.check_engine", lambda *words, **more: None)
    assert resolve(request_for(engine="ray", wanted=WHERE_IT_PAYS)).opened.notes == ()
    prepared = resolve(request_for(engine="ray"))
    assert prepared.folder is not None
    with prepared.folder.locked():  # as the first process does before the others begin
        done = open_worker(prepared.request)(1, lambda told: None)
    assert (done.rows, installed.measurements) == (30, 1)
    assert pq.read_schema(prepared.folder.file(1)).metadata[b"cardinet_runtime"] == b"kernels"


def evaluated(capsys: pytest.CaptureFixture[str], model: Path, *words: str | Path) -> tuple[dict[str, Any], str]:
    capsys.readouterr()
    words = ("--data", "digits", "--set", "limit=50", "--device", "cpu", "--workers", "0", "--json", *words)
    assert outcome(["eval", str(model), *map(str, words)]) == 0
    said = capsys.readouterr()
    return json.loads(said.out), said.err


@pytest.mark.parametrize("words", [(), ("--crops", "10"), ("--size", "12", "--batch-size", "7")])
def test_an_evaluation_counts_the_same(
    words: tuple[str, ...], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, said = evaluated(capsys, model, *words, "--out", tmp_path / "plain.csv")
    assert plain.pop("computed_by") == {"runtime": "eager", "precision": "float32"}
    assert "kernels" not in said
    fast, said = evaluated(capsys, model, *words, "--fast", "--out", tmp_path / "fast.csv")
    assert fast.pop("computed_by") == {"runtime": "kernels", "precision": "float32"}
    assert "kernels in float32 runs the network, as measured" in said
    assert fast.pop("loss") == pytest.approx(plain.pop("loss"), rel=1e-4)
    assert fast == plain
    assert plain["count"] == 50
    tables = [list(csv.DictReader((tmp_path / name).read_text().splitlines())) for name in ("plain.csv", "fast.csv")]
    for one, other in zip(*tables, strict=True):
        assert (one["path"], one["truth"], one["predicted"]) == (other["path"], other["truth"], other["predicted"])
        assert float(one["probability"]) == pytest.approx(float(other["probability"]), rel=1e-4)


def test_an_evaluation_in_python(model: Path, installed: Installed) -> None:
    plain = cardinet.evaluate(model, "digits", limit=50)
    before = installed["kernels"].passes
    fast = cardinet.evaluate(model, "digits", limit=50, fast=True, precisions=("float32", "bfloat16"))
    assert installed["kernels"].passes > before
    assert fast.count == plain.count == 50
    with pytest.raises(RequestError, match="these are the precisions that --fast may choose"):
        cardinet.evaluate(model, "digits", limit=50, precisions=("bfloat16",))


def test_what_has_no_runtime_is_refused_at_once(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "eval",
        str(model),
        "--data",
        "digits",
        "--fast",
        "--precision",
        "float8",
        "--crops",
        "dense",
        "--passes",
        "2",
    ]
    assert outcome(words) == 2
    said = capsys.readouterr().err
    assert 'error: --precision: there is no precision "float8" (nearest: float32' in said
    assert "error: --fast: a runtime takes pictures of one size, and --crops dense has many; omit one of them." in said
    assert "error: --fast: no other runtime draws random numbers for --passes 2; omit one of them." in said
    assert outcome(["predict", str(model), "digits", "--precision", "bfloat16"]) == 2
    assert "these are the precisions that --fast may choose; add --fast" in capsys.readouterr().err


def test_results_of_older_runs_are_of_eager_mode() -> None:
    assert Results(results={}, step=1).computed_by == EAGER
