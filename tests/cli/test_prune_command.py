"""`cardinet rewrite --prune`: from a trained model to a smaller one, and what is refused before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runner import Cli

SMALL = ["--set", "depths=[1,1,1]", "--set", "threads=1", "--set", "evaluate_every=100 %"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cardinet.cli.main import outcome

    folder = tmp_path_factory.mktemp("trained") / "run"
    words = ["train", "resnet20_cifar", "--data", "digits", "--epochs", "4", "--out", str(folder), *SMALL]
    assert outcome(words) == 0
    return folder


def test_a_smaller_model(cli: Cli, trained: Path, tmp_path: Path) -> None:
    settings = ("compactor_momentum=0.9", "lr=0.05", "threads=1", "evaluate_every=100 %")
    words = [word for setting in settings for word in ("--set", setting)]
    asked = ("--prune", "--keep-macs", "0.6", "--epochs", "5", "--out", "small.safetensors", "--json")
    done = cli("rewrite", trained, *asked, *words)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["after"]["macs"] <= 0.6 * found["before"]["macs"]
    assert found["after"]["params"] < found["before"]["params"]
    assert {"validation", "test"} <= found["before"].keys() & found["after"].keys()
    again = json.loads(cli("eval", "small.safetensors", "--data", "digits", "--json").out)
    assert (again["wrong"], again["count"]) == (found["after"]["test"]["wrong"], 360)
    info = json.loads(cli("info", "small.safetensors", "--json").out)
    assert (info["params"], info["macs"]) == (found["after"]["params"], found["after"]["macs"])
    assert [step["name"] for step in info["rewrites"]] == ["fold", "narrow"]
    report = (Path(found["run"]) / "report.html").read_text()
    assert f"{found['after']['params']:,}" in report
    refused = cli("rewrite", "small.safetensors", "--prune", "--data", "digits", "--out", "smaller.safetensors")
    assert refused.code == 2
    assert "is rewritten already (fold, narrow); prune the model from before that." in refused.err


WRONG = {
    "with others": (["--fold"], "--prune is a run of its own"),
    "no share": (["--keep-macs", "1.5"], "pruning.keep_macs = 1.5"),
    "unknown setting": (["--set", "lassso=3"], 'no setting "lassso"'),
    "other classes": (["--data", "nothere"], 'The source "nothere"'),
}


@pytest.mark.parametrize("case", WRONG)
def test_refused_before_any_work(cli: Cli, trained: Path, case: str) -> None:
    words, message = WRONG[case]
    done = cli("rewrite", trained, "--prune", *words, "--out", "small.safetensors")
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not Path("small.safetensors").exists()
    assert not Path("runs").exists()


def test_a_model_file_alone_needs_pictures(cli: Cli, trained: Path) -> None:
    done = cli("rewrite", trained / "model.safetensors", "--prune", "--out", "small.safetensors")
    assert done.code == 2
    assert "Name the pictures to prune on with --data" in done.err


def test_settings_of_training_need_prune(cli: Cli, trained: Path) -> None:
    for words in (["--epochs", "3"], ["--keep-macs", "0.3"], ["--set", "lr=0.1"]):
        done = cli("rewrite", trained, "--fold", *words, "--out", "small.safetensors")
        assert done.code == 2
        assert "--keep-macs, --epochs and --set are for the training of --prune" in done.err
