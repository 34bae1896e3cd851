"""The way of a user: train, evaluate, predict, inspect, report, rewrite; and what every verb prints."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cardinet
from cardinet.base.errors import RequestError
from cardinet.cli.verbs import app
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import save_model
from cli.cli_runner import Cli, Said
from cli.hostile_files import class_folder, picture, snapshot, truncated_jpeg

SMALL = ("network.depths=1,1,1", "network.widths=4,4,4", "network.width=4")
TINY = ["resnet20_cifar", *(word for setting in SMALL for word in ("--set", setting)), "--set", "machine.threads=1"]
PREDICTED = [(c, f"{i}.png") for c in ("blue", "red") for i in range(3)] + [("red", "cut.jpg")]
ODD = ("-dash\\back", 'été "quoted"', "new\nline", "tab\t;x", "日本🐈", "a=b, c")


def document(said: Said) -> dict[str, Any]:
    """The one JSON document on stdout."""
    assert said.code == 0, said.err
    assert said.out.count("\n") == 1
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_a_trained_run_is_evaluated_to_the_figure_that_it_reported(cli: Cli, digits_run: Path) -> None:
    results = json.loads((digits_run / "evaluation.json").read_text())
    reported = results["results"]
    assert results["computed_by"] == {"runtime": "eager", "precision": "float32"}
    for split in ("validation", "test"):
        found = document(cli("eval", digits_run, "--split", split, "--json"))
        assert {key: found[key] for key in reported[split]} == reported[split]
    words = cli("eval", digits_run)
    assert words.code == 0
    assert words.out.startswith(
        f"test error {100 * reported['test']['error']:.2f} %: {reported['test']['wrong']} of 360"
    )
    assert document(cli("eval", digits_run / "model.safetensors", "--data", "digits", "--json"))["split"] == "test"


def test_mean_and_std_change_the_evaluation_of_a_run(cli: Cli, digits_run: Path) -> None:
    found = document(cli("eval", digits_run, "--mean", "0", "--std", "2", "--json"))
    assert found["preprocessing"] == {**found["preprocessing"], "mean": [0.0], "std": [2.0]}
    assert found["loss"] != document(cli("eval", digits_run, "--json"))["loss"]


def test_a_loss_that_is_no_number_is_null(cli: Cli, digits_run: Path) -> None:
    found = document(cli("eval", digits_run, "--mean=-3e38", "--std", "1e-38", "--json"))
    assert found["loss"] is None


@pytest.mark.long
def test_a_rewritten_model_gives_the_same_figure(cli: Cli, digits_run: Path) -> None:
    before = document(cli("eval", digits_run, "--json"))
    for form, source in (("a", digits_run), ("c", "a.safetensors")):
        found = document(cli("rewrite", source, "--form", form, "--out", f"{form}.safetensors", "--json"))
        proofs = found["steps"][0]["proofs"]
        assert proofs["random"]["float64"] < 1e-10
        assert ("real" in proofs) == (source == digits_run)
        assert found["before"]["params"] == found["after"]["params"]
        after = document(cli("eval", f"{form}.safetensors", "--data", "digits", "--json"))
        assert (after["wrong"], after["count"]) == (before["wrong"], before["count"])
        assert after["loss"] == pytest.approx(before["loss"], rel=1e-5)
    assert len(document(cli("info", "c.safetensors", "--json"))["rewrites"]) == 2
    shown = cli("rewrite", digits_run, "--form", "b", "--fold", "--out", "b.safetensors")
    assert shown.out.startswith("b.safetensors\n")
    assert "parameters" in shown.out
    assert "fold(): largest relative difference of the logits" in shown.err


def test_a_model_file_alone_predicts(cli: Cli, digits_run: Path, tmp_path: Path) -> None:
    shutil.copy(digits_run / "model.safetensors", tmp_path / "copied model.safetensors")
    photograph = picture(tmp_path / "a cat.jpg", size=40)
    words = cli("predict", "copied model.safetensors", photograph, "--top", "3")
    assert words.code == 0
    assert len(words.out.splitlines()) == 3
    found = document(cli("predict", digits_run, "a cat.jpg", "--top", "99", "--json"))
    assert len(found["top"]) == 10
    assert sum(entry["probability"] for entry in found["top"]) == pytest.approx(1)
    prediction = cardinet.load(digits_run).predict(photograph, top=99)
    assert {**found, "path": str(photograph)} == prediction.to_document()


def test_the_pictures_of_a_folder_are_predicted_though_one_is_damaged(cli: Cli, digits_run: Path) -> None:
    class_folder(Path("pictures"), count=3)
    truncated_jpeg(Path("pictures/red/cut.jpg"))
    picture(Path("pictures/.hidden.png"))
    said = cli("predict", digits_run, "pictures")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 1
    assert [line["path"] for line in lines] == [f"pictures/{c}/{i}.png" for c in ("blue", "red") for i in range(3)]
    damaged, summary = said.err.splitlines()
    assert damaged.startswith("error: pictures/red/cut.jpg cannot be used: image file is truncated")
    assert summary == "1 of 7 pictures could not be used."
    two = cli("predict", digits_run, "pictures/red/0.png", "pictures/blue/0.png", "--top", "1")
    assert [line for line in two.out.splitlines() if "/" in line] == ["pictures/red/0.png", "pictures/blue/0.png"]


def test_predictions_as_a_table(cli: Cli, digits_run: Path) -> None:
    class_folder(Path("pictures"), count=3)
    truncated_jpeg(Path("pictures/red/cut.jpg"))
    lines = [json.loads(line) for line in cli("predict", digits_run, "pictures", "--top", "2").out.splitlines()]
    said = cli("predict", digits_run, "pictures", "--top", "2", "--out", "a.csv", "--batch-size", "2")
    assert (said.code, said.out) == (1, "a.csv\n")
    rows = list(csv.DictReader(Path("a.csv").read_text().splitlines()))
    assert [row["path"] for row in rows] == [f"{c}/{n}" for c, n in PREDICTED]  # below the folder that was given
    assert [row["predicted"] for row in rows if not row["problem"]] == [line["class"] for line in lines]
    assert ["cut.jpg cannot be used" in row["problem"] for row in rows] == [n == "cut.jpg" for _, n in PREDICTED]
    again = cli("predict", digits_run, "pictures", "--out", "a.csv")
    assert (again.code, again.err) == (2, "error: a.csv exists; name a file that does not.\n")
    found = document(cli("predict", digits_run, "pictures/blue", "pictures/red/*.png", "--out", "b.csv", "--json"))
    assert found == {"out": "b.csv", "pictures": 6, "unusable": 0}
    rows = list(csv.DictReader(Path("b.csv").read_text().splitlines()))
    assert [row["path"] for row in rows] == [f"pictures/{c}/{n}" for c, n in PREDICTED if n != "cut.jpg"]


def test_scores_of_the_classes(cli: Cli, digits_run: Path) -> None:
    said = cli("eval", digits_run, "--out", "a.csv", "--top", "1")
    found: Any = document(cli("eval", digits_run, "--json"))
    first, top5, empty, head, *rows, mean = said.out.splitlines()
    assert first.startswith(f"test error {100 * found['error']:.2f} %: {found['wrong']:,} of 360")
    assert top5 == f"top-5 error {100 * found['top5_error']:.2f} %: {found['top5_wrong']} pictures"
    assert (empty, head.split()[:6]) == ("", ["class", "pictures", "missed", "precision", "recall", "F1"])
    counted = [[c["class"], str(c["pictures"]), str(c["missed"])] for c in found["classes"]]
    assert [row.split()[:3] for row in rows] == counted
    assert mean.split()[0] == "mean"
    answers = list(csv.DictReader(Path("a.csv").read_text().splitlines()))
    confusion = [[0] * 10 for _ in range(10)]
    for row in answers:
        confusion[int(row["truth"])][int(row["predicted"])] += 1
    assert confusion == found["confusion"]
    assert "a.csv" in said.err


def test_info_of_a_run_agrees_with_the_network(cli: Cli, digits_run: Path) -> None:
    run = document(cli("info", digits_run, "--json"))
    row = document(cli("info", "resnext11_8x16d_digits", "--json"))
    assert {k: run[k] for k in ("params", "macs", "flops", "activations", "stages")} == {
        k: row[k] for k in ("params", "macs", "flops", "activations", "stages")
    }
    assert run["classes"] == [str(digit) for digit in range(10)]
    words = cli("info", digits_run).out
    assert f"parameters   {run['params']:,}\n" in words
    assert "test error" in words


def test_drawing_of_a_run_and_of_a_network(cli: Cli, digits_run: Path, tmp_path: Path) -> None:
    plain = cli("info", digits_run)
    said = cli("info", digits_run, "--draw", "run.svg")
    assert (said.out, said.err) == (plain.out, "drawn: run.svg\n")
    drawn = (tmp_path / "run.svg").read_text()
    assert "32, 3\u00d73, 32, group = 8" in drawn
    assert "8 paths" in drawn
    again = cli("info", digits_run, "--draw", "run.svg")
    assert (again.code, again.err) == (2, "error: run.svg exists; name a file that does not.\n")
    assert (tmp_path / "run.svg").read_text() == drawn
    assert document(cli("info", "resnet18", "--draw", "a.svg", "--json"))["id"] == "resnet18"


def test_front_at_a_budget(cli: Cli, tmp_path: Path) -> None:
    words = ("plan", "--like", "resnext11_8x16d_digits", "--budget", "macs=1M", "--width", "0.25,0.5", "--depth", "1,2")
    said = cli(*words, "--draw", "front.svg")
    assert said.code == 0
    assert "drawn: front.svg" in said.err
    assert "<title>Networks with MACs up to 1.00 M</title>" in (tmp_path / "front.svg").read_text()
    found = document(cli(*words, "--json"))
    assert found["compared"] == 4
    assert all(f"{one['params']:,}" in said.out for one in found["front"])
    assert all(one["macs"] <= 1e6 for one in found["front"] + found["others"])


def test_reports(cli: Cli, digits_run: Path, tmp_path: Path) -> None:
    again = cli("report", digits_run)
    assert again.out == f"{digits_run / 'report.html'}\n"
    assert document(cli("report", digits_run, digits_run, "--json")) == {
        "report": "comparison.html",
        "data": ["comparison.json", "comparison.csv"],
    }
    assert "<html" in (tmp_path / "comparison.html").read_text()
    assert cli("report", digits_run, "--out", "one.html").code == 0
    assert (tmp_path / "one.html").read_text() == (digits_run / "report.html").read_text()


def test_a_finished_run_is_not_trained_again(cli: Cli, digits_run: Path) -> None:
    said = cli("train", "--resume", digits_run)
    assert said.code == 0
    assert "is finished (39 steps)" in said.err
    assert said.out.splitlines()[-2:] == [f"model  {digits_run}/model.safetensors", f"report {digits_run}/report.html"]


def test_json_is_one_document_and_talk_is_elsewhere(cli: Cli, digits_run: Path) -> None:
    """Each verb once; `train` and `predict` have tests of their own besides."""
    class_folder(Path("two"))
    picture(Path("red.png"))
    Path("sweep.toml").write_text('trials = 1\n[settings]\nlength = "2 steps"\nthreads = 1\n[space]\nlr = [0.1]')
    typed: dict[str, list[str | Path]] = {
        "list": ["list"],
        "info": ["info", "resnet18"],
        "settings": ["settings", "flip"],
        "plan": ["plan", "--like", "resnext29_8x64d", "--cardinality", "1"],
        "check-data": ["check-data", "two"],
        "train": ["train", *TINY, "--data", "two", "--epochs", "1"],
        "sweep": ["sweep", "sweep.toml"],
        "eval": ["eval", digits_run],
        "predict": ["predict", digits_run, "red.png"],
        "explain": ["explain", "paths", digits_run],
        "reproduce": ["reproduce"],
        "rewrite": ["rewrite", digits_run, "--form", "b", "--out", "b.safetensors"],
        "bench": ["bench", digits_run, "--against", "none", "--batch-size", "1", "--seconds", "0.01"],
        "export": ["export", digits_run, "--format", "torch-export", "--out", "program.pt2", "--pictures", "8"],
        "report": ["report", digits_run],
        "push": ["push", digits_run, "me/digits", "--dry-run", "card"],
    }
    assert list(typed) == [command.name for command in app.registered_commands]
    for words in typed.values():
        document(cli(*words, "--json"))
    recipes = json.loads(cli("list", "--recipes", "--json").out)
    assert "quick" in [recipe["name"] for recipe in recipes]


def test_find_lr_draws_and_suggests_and_leaves_nothing_else(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "cardinet.train.range_test.Sweep.rates", lambda sweep: iter([10 ** (-4 + i / 8) for i in range(30)])
    )
    found = document(cli("train", *TINY, "--find-lr", "--out", "lr.html", "--json"))
    assert found["page"] == "lr.html"
    assert len(found["rates"]) == len(found["losses"]) > 10
    assert "Which learning rate?" in Path("lr.html").read_text()
    said = cli("train", *TINY, "--find-lr")
    assert said.code == 0
    assert said.out.splitlines()[0].split() == ["rate", "loss"]
    assert "--lr" in said.out or "No rate is suggested" in said.out
    assert not Path("runs").exists()
    for words in (("--dry-run",), ("--resume", "some")):
        assert cli("train", "--find-lr", *words).code == 2


def test_list(cli: Cli) -> None:
    assert cli("list", "resnet20_cifar").err == "1 network. `cardinet info NAME` counts one.\n"
    assert "resnext50_32x4d" in cli("list", "*50_32*").out
    nothing = cli("list", "zzz")
    assert (nothing.code, nothing.out) == (0, "")
    assert 'No network matches "zzz"' in nothing.err
    assert json.loads(cli("list", "zzz", "--json").out) == []


def test_a_dry_run_shows_the_batch_that_is_used_and_the_run_stores_what_was_asked_for(cli: Cli) -> None:
    words = ("--set", "limit=20", "--set", "accumulate=30", "--batch-size", "100", "--epochs", "1", "--workers", "0")
    said = cli("train", *words, "--dry-run", "--json")
    shown: dict[str, Any] = document(said)
    assert shown["recipe"]["training"]["batch_size"] == shown["pictures"]["train"] == 20
    assert shown["recipe"]["training"]["accumulate"] == 20
    assert "A batch has 20 pictures, as the training split has no more." in said.err
    assert "A batch passes in 20 parts of one picture, as it has no more." in said.err
    assert "batch_size = 20\n" in cli("train", *words, "--dry-run").out
    fewer = (*words[:2], "--set", "accumulate=3", *words[4:])
    shown = document(cli("train", *fewer, "--dry-run", "--json"))
    assert shown["recipe"]["training"]["accumulate"] == 3
    assert cli("train", *fewer, "--set", "threads=1", "--out", "run").code == 0
    stored = RunFolder(Path("run")).record().recipe
    assert (stored["training"]["batch_size"], stored["training"]["accumulate"]) == (100, 3)


def test_a_dry_run_shows_everything_and_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    found = document(cli("train", "--epochs", "3", "--dry-run", "--json"))
    counts = cardinet.count("resnext11_8x16d_digits")
    assert found["counts"] == {k: getattr(counts, k) for k in ("params", "macs", "flops", "activations")}
    assert set(found["expected"]) == {"seconds", "gigabytes", "images_per_second"}
    assert (found["steps"], found["network"]) == (117, "resnext11_8x16d_digits")
    words = cli("train", "--epochs", "0.5", "--dry-run")
    assert 'length = "0.5 epochs"' in words.out
    assert "Nothing was trained or written." in words.err
    assert snapshot(tmp_path) == {}


def test_epochs_keep_their_digits(cli: Cli) -> None:
    said = cli("train", "--epochs", "1234567.125", "--dry-run")
    assert 'length = "1234567.125 epochs"' in said.out


def test_odd_class_names_and_paths_survive(cli: Cli, tmp_path: Path) -> None:
    class_folder(tmp_path / "ein Ordner ü", ODD, count=4)
    said = document(cli("train", *TINY, "--data", "ein Ordner ü", "--epochs", "1", "--out", "lauf 日本", "--json"))
    assert said["run"] == "lauf 日本"
    assert document(cli("info", "lauf 日本", "--json"))["classes"] == sorted(ODD)
    evaluated = document(cli("eval", "lauf 日本", "--split", "train", "--json"))
    assert evaluated["count"] == evaluated["total"]
    predicted = cli("predict", "lauf 日本", "ein Ordner ü")
    assert predicted.code == 0
    assert len(predicted.out.splitlines()) == 24
    assert cli("report", "lauf 日本").code == 0


def test_a_model_of_other_classes_is_refused_in_any_order(cli: Cli) -> None:
    class_folder(Path("two"), ("a", "b"))
    class_folder(Path("three"), ("a", "b", "c"))
    assert cli("train", *TINY, "--data", "two", "--epochs", "1", "--out", "run").code == 0
    said = cli("eval", "run", "--data", "three")
    assert said.code == 2
    assert "it does not know c" in said.err
    class_folder(Path("one more"), ("a", "b"))
    assert cli("eval", "run", "--data", "one more").code == 0


def test_the_same_classes_in_another_order_are_scored_by_name(cli: Cli, digits_run: Path) -> None:
    model, straight = cardinet.load(digits_run), document(cli("eval", digits_run, "--json"))
    save_model(Path("turned.safetensors"), dataclasses.replace(model, classes=model.classes[::-1]))
    turned = document(cli("eval", "turned.safetensors", "--data", "digits", "--json"))
    # Digit d now has the place 9 - d as the truth; the answers, which are places, are what they were.
    confusion = np.array(straight["confusion"])[::-1]
    assert turned["confusion"] == confusion.tolist()
    assert turned["wrong"] == 360 - int(np.trace(confusion))


def test_a_run_in_a_taken_folder_is_refused_and_bad_pictures_can_be_skipped(cli: Cli) -> None:
    class_folder(Path("two"))
    truncated_jpeg(Path("two/red/cut.jpg"))
    before = snapshot(Path("two"))
    said = cli("train", *TINY, "--data", "two", "--epochs", "1", "--out", "run", "--on-bad-image", "skip", "--json")
    assert document(said)["network"] == "resnet20_cifar"
    assert "Skipped: two/red/cut.jpg: truncated" in said.err
    assert snapshot(Path("two")) == before
    again = cli("train", *TINY, "--data", "two", "--epochs", "1", "--out", "run", "--on-bad-image", "skip")
    assert (again.code, again.out) == (2, "")


def test_python_entry_points() -> None:
    torch.manual_seed(0)
    network = cardinet.create("resnext11_8x16d_digits", num_classes=3)
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    assert cardinet.count("resnet18").params == 11_689_512
    assert cardinet.count("resnext29_8x64d", num_classes=100).input == (3, 32, 32)
    with pytest.raises(RequestError, match='no network "resnxt"'):
        cardinet.create("resnxt")


@pytest.mark.long
def test_an_exported_run_says_what_was_proven(cli: Cli, digits_run: Path, tmp_path: Path) -> None:
    said = cli(
        "export", digits_run, "--format", "openvino", "--out", "a net.xml", "--pictures", "100", "--threads", "1"
    )
    assert (said.code, said.out) == (0, "a net.xml\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a net.bin", "a net.xml"]
    assert "on 100 of 360 test pictures of digits:" in said.err
    assert "100.00 % the same prediction (0 differ)" in said.err
    assert "Batch 8, 1 threads, median of" in said.err
    found = document(
        cli("export", "--json", digits_run, "--format", "onnx", "--int8", "--with-preprocessing", "--out", "q.onnx")
    )
    assert found["files"] == ["q.onnx"]
    assert (found["input"], found["judged"]) == ("uint8", "int8")
    parity = found["parity"]["int8"]
    assert parity["count"] == 360
    assert parity["error_after"] <= parity["error_before"] + 0.005
    assert set(found["bytes"]) == {"torch", "float32", "int8"}


def test_a_model_file_without_pictures_is_proven_on_random_ones(cli: Cli, digits_run: Path) -> None:
    words = cli("export", digits_run / "model.safetensors", "--format", "torch-export", "--out", "a.pt2")
    assert words.code == 0
    assert "on 64 random pictures (give real ones with --data to measure its error):" in words.err
    assert " -> " not in words.err
