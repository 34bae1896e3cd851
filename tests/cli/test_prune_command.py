"""`cardinet rewrite --prune`: from a trained model to a smaller one, and what is refused before any work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import cardinet
from cardinet.rewriting.pruning import measured_before, settings_of, settings_of_model
from cardinet.rewriting.request import Training
from cardinet.train.interrupt import Interrupted
from cli.cli_runner import Cli
from cli.hostile_files import class_folder

pytestmark = pytest.mark.long

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
    assert "has no BN after its rewrites (fold, narrow), and would not train without it" in refused.err


def test_a_pruned_model_with_bn_again_trains_on_and_is_pruned_further(cli: Cli, trained: Path, tmp_path: Path) -> None:
    settings = ("compactor_momentum=0.9", "lr=0.05", "threads=1", "evaluate_every=100 %")
    words = [word for setting in settings for word in ("--set", setting)]
    asked = ("--prune", "--epochs", "5", "--keep-macs")
    assert cli("rewrite", trained, *asked, "0.7", *words, "--out", "small.safetensors").code == 0
    assert cli("rewrite", "small.safetensors", "--unfold", "--out", "bn.safetensors").code == 2
    done = cli("rewrite", "small.safetensors", "--unfold", "--data", "digits", "--out", "bn.safetensors", "--json")
    assert done.code == 0, done.err
    (step,) = json.loads(done.out)["steps"]
    assert step["name"] == "unfold"
    assert all(proof["float64"] <= 1e-10 for proof in step["proofs"].values())

    wrong = {
        name: json.loads(cli("eval", f"{name}.safetensors", "--data", "digits", "--json").out)["wrong"]
        for name in ("small", "bn")
    }
    assert wrong["small"] == wrong["bn"]
    said = cli(
        "train",
        "--weights",
        "bn.safetensors",
        "--data",
        "digits",
        "--epochs",
        "3",
        "--out",
        "more",
        "--set",
        "lr=0.05",
        "--set",
        "threads=1",
    )
    assert said.code == 0, said.err
    assert "no BN" not in said.err
    more = json.loads(cli("eval", "more", "--json").out)["wrong"]
    assert more < wrong["small"]

    said = cli("rewrite", "bn.safetensors", *asked, "0.7", "--data", "digits", *words, "--out", "smaller.safetensors")
    assert said.code == 0, said.err
    counts = [json.loads(cli("info", f"{name}.safetensors", "--json").out) for name in ("small", "smaller")]
    assert counts[1]["macs"] <= 0.7 * counts[0]["macs"]
    assert [s["name"] for s in counts[1]["rewrites"]] == ["fold", "narrow", "unfold", "fold", "narrow"]


WRONG = {
    "with others": (["--fold"], "--prune is a separate run"),
    "no share": (["--keep-macs", "1.5"], "methods.Pruning.keep_macs = 1.5"),
    "unknown setting": (["--set", "lassso=3"], 'no setting "lassso"'),
    "no such data": (["--data", "nothere"], 'The source "nothere"'),
    "other classes": (["--data", "two"], "The model has the classes 0, 1, 2, 3, 4, ... (10)"),
    "too little": (
        ["--keep-macs", "0.001"],
        "of its MACs remain (groups fix the channels of the others, or several layers read them). Give at least",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_refused_before_any_work(cli: Cli, trained: Path, case: str) -> None:
    words, message = WRONG[case]
    class_folder(Path("two"), tuple("abcdefghij"), 10)
    done = cli("rewrite", trained, "--prune", *words, "--out", "small.safetensors")
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not Path("small.safetensors").exists()
    assert not Path("runs").exists()


def test_a_model_file_alone_needs_pictures(cli: Cli, trained: Path) -> None:
    done = cli("rewrite", trained / "model.safetensors", "--prune", "--out", "small.safetensors")
    assert done.code == 2
    assert "Give the pictures to prune on with --data" in done.err


def test_settings_of_training_need_prune(cli: Cli, trained: Path) -> None:
    for words in (["--epochs", "3"], ["--keep-macs", "0.3"], ["--set", "lr=0.1"]):
        done = cli("rewrite", trained, "--fold", *words, "--out", "small.safetensors")
        assert done.code == 2
        assert "--keep-macs, --epochs and --set need --prune" in done.err


def test_a_stopped_pruning_says_where_the_model_will_be(
    cli: Cli, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise Interrupted("Stopped after step 3 of 9; saved. Continue with: cardinet train --resume runs/a")

    monkeypatch.setattr("cardinet.rewriting.pruning.start", stopped)
    done = cli("rewrite", trained, "--prune", "--out", "small.safetensors")
    assert (done.code, done.out) == (130, "")
    assert (
        "--resume runs/a\nAt the end of the run the smaller model is model.safetensors in its folder; "
        "small.safetensors is not written" in done.err
    )


@pytest.mark.parametrize("name", ["../../escaped", "team/net", "", "."])
def test_a_model_file_does_not_choose_the_folder(name: str, trained: Path) -> None:
    model = replace(cardinet.load(trained), training={"network": name})
    assert settings_of_model(str(trained), model, "digits")["network.id"] == "model-pruned"


def test_options_are_settings_with_all_their_digits() -> None:
    assert settings_of(Training(epochs=1_000_000), 7) == {"training.length": "1000000 epochs", "machine.seed": 7}
    asked = {"training.length": "0.00001 epochs", "methods.Pruning.keep_macs": 0.3}
    assert settings_of(Training(0.3, 0.00001)) == asked


def test_what_was_measured_on_other_pictures_is_not_compared(trained: Path) -> None:
    model = cardinet.load(trained)
    own = model.training["test"]
    assert measured_before(model, {"test": own}) == {"test": own}
    assert measured_before(model, {"test": {**own, "count": 7}}) == {}
    assert measured_before(replace(model, training={"test": "good"}), {"test": own}) == {}


def test_a_seed_that_draws_nothing_is_refused(cli: Cli, trained: Path) -> None:
    done = cli("rewrite", trained, "--fold", "--seed", "3", "--out", "small.safetensors")
    assert done.code == 2
    assert "--seed: these rewrites draw nothing" in done.err
