"""`cardinet rewrite` grows a model, gives it other classes and other channels; and what its file then says."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import cardinet
from cardinet.base.errors import Findings
from cardinet.build.builder import build
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.registry import find
from cardinet.rewrite.steps import apply
from cardinet.rewriting.job import described
from cardinet.rewriting.kinds.in_channels import IN_CHANNELS, with_channels
from cardinet.rewriting.request import read, steps_of
from cardinet.runs.model_file import Model
from cli.cli_runner import Cli, Said
from cli.hostile_files import picture

DIGITS = [str(digit) for digit in range(10)]


def document(said: Said) -> dict[str, Any]:
    assert said.code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_a_deeper_and_wider_model_has_the_same_error_and_trains_on(cli: Cli, digits_run: Path) -> None:
    before = document(cli("eval", digits_run, "--json"))
    words = ("--widen", "widths=20,32,72", "--widen", "cardinality=9", "--deepen", "2,1,1", "--seed", "5")
    found = document(cli("rewrite", digits_run, *words, "--out", "grown.safetensors", "--json"))
    steps = found["steps"]
    assert [(step["name"], step["arguments"]) for step in steps] == [
        ("deepen", {"depths": [2, 1, 1], "seed": 5}),
        ("widen", {"widths": [20, 32, 72], "cardinality": 9, "seed": 5}),
    ]
    for step in steps:
        assert step["proofs"].keys() == {"random", "real"}
        assert all(proof["float64"] < 1e-10 and proof["float32"] < 1e-5 for proof in step["proofs"].values())
    assert found["after"]["params"] > 1.1 * found["before"]["params"]
    after = document(cli("eval", "grown.safetensors", "--data", "digits", "--json"))
    assert (after["wrong"], after["count"]) == (before["wrong"], before["count"])
    assert after["loss"] == pytest.approx(before["loss"], rel=1e-4)
    about = document(cli("info", "grown.safetensors", "--json"))
    assert about["id"] == "custom"
    assert about["training"]["validation"]["error"] >= 0
    settings = ("depths=2,1,1", "widths=20,32,72", "cardinality=9")
    asked = ["resnext11_8x16d_digits", *(word for setting in settings for word in ("--set", f"network.{setting}"))]
    trained = cli("train", *asked, "--weights", "grown.safetensors", "--lr", "0.001", "--epochs", "0.1", "--out", "on")
    assert trained.code == 0, trained.err
    assert document(cli("eval", "on", "--json"))["error"] < before["error"] + 0.1


def test_a_deeper_model_has_the_name_of_its_depth() -> None:
    spec = find("resnet18").spec
    network = build(spec.but(num_classes=7, in_channels=1), device="meta")
    preprocessing = Preprocessing(channels=1, crop=32, mean=(0.5,), std=(0.2,))
    model = Model(network, network.spec, tuple("abcdefg"), preprocessing, training={"network": "resnet18", "step": 3})
    for depths, name in (("3,4,6,3", "resnet34"), ("3,2,2,2", "custom")):
        asked = read({"deepen": depths}, Findings())
        steps = steps_of(asked, model)
        grown = described(model, apply(network, steps), asked, steps)
        assert grown.training == {"network": name, "step": 3}
        assert (grown.classes, grown.preprocessing, grown.rewrites) == (model.classes, preprocessing, steps)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--deepen", "1000000,1,1"), "depths.0 = 1000000: the network is too large; 10,000 is the most, also with"),
        (("--deepen", f"1,{'9' * 30},1"), "it is a whole number of more than 64 bits"),
        (("--deepen", "9000,1,1"), "The network is too large: it has at least 20,001 modules, and 20,000 are allowed."),
        (
            ("--widen", "cardinality=100000000"),
            "the network is too large; 1,000,000 is the most, also with --no-bounds",
        ),
        (("--widen", "base_width=1e9"), "the network is too large; 1,000,000 is the most, also with --no-bounds"),
        (
            ("--widen", "widths=100000000,32,64"),
            "widths.0 = 100000000: the network is too large; 1,000,000 is the most",
        ),
        (("--widen", "widths=100000,100000,100000"), "parameters, and 1,000,000,000 are allowed."),
    ],
)
def test_what_would_be_too_large(
    cli: Cli, digits_run: Path, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cardinet.rewriting.job.prove", None)  # nothing is built
    answer = cli("rewrite", digits_run, *words, "--out", "large.safetensors")
    assert answer.code == 2
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1
    assert ("--no-bounds lifts this bound" in answer.err) == ("20,000" in said or "1,000,000,000" in said)


def test_other_classes(cli: Cli, digits_run: Path) -> None:
    found = document(cli("rewrite", digits_run, "--classes", "7, eel,1", "--out", "three.safetensors", "--json"))
    (step,) = found["steps"]
    assert step["arguments"] == {"rows": [7, -1, 1], "seed": 0}
    assert step["proofs"]["real"]["float64"] < 1e-14  # some processors sum the products of fewer rows in another order
    old, new = cardinet.load(digits_run), cardinet.load("three.safetensors")
    assert new.classes == ("7", "eel", "1")
    assert new.network.num_classes == 3
    pixels = torch.randn(4, 1, 8, 8)
    with torch.inference_mode():
        before, after = old.network(pixels), new.network(pixels)
    torch.testing.assert_close(after[:, [0, 2]], before[:, [7, 1]])
    assert new.training == {
        "network": "resnext11_8x16d_digits",
        "before": {"classes": DIGITS, "channels": 1, **old.training},
    }
    assert "error" not in cli("info", "three.safetensors").out
    assert "validation" in old.training
    lines = cli("rewrite", digits_run, "--classes", "7\neel\n1\n", "--seed", "3", "--out", "lines.safetensors")
    assert lines.code == 0, lines.err
    assert cardinet.load("lines.safetensors").classes == ("7", "eel", "1")
    quoted = cli("rewrite", digits_run, "--classes", '"a, b",1', "--out", "two.safetensors")
    assert quoted.code == 0
    assert cardinet.load("two.safetensors").classes == ("a, b", "1")
    assert document(cli("predict", "two.safetensors", picture(Path("red.png")), "--json"))["class"] in ("a, b", "1")


def test_other_channels_there_and_back(cli: Cli, digits_run: Path) -> None:
    there = cli("rewrite", digits_run, "--in-channels", "3", "--out", "colour.safetensors")
    assert there.code == 0
    assert "in_channels(channels=3): largest relative difference of the logits" in there.err
    assert "The grey value is now the mean of red, green and blue" in there.err
    grey, colour = cardinet.load(digits_run), cardinet.load("colour.safetensors")
    assert colour.preprocessing.channels == 3
    assert colour.preprocessing.mean == grey.preprocessing.mean * 3
    assert colour.preprocessing.std == grey.preprocessing.std * 3
    assert colour.preprocessing.crop == grey.preprocessing.crop
    assert "before" in colour.training
    path = picture(Path("red.png"))
    assert len(colour.predict(path, 10).classes) == 10
    back = cli("rewrite", "colour.safetensors", "--in-channels", "1", "--fold", "--out", "grey.safetensors", "--json")
    assert [step["name"] for step in document(back)["steps"]] == ["in_channels", "fold"]
    assert "normalised" not in back.err  # its three means are one
    again = cardinet.load("grey.safetensors")
    assert again.preprocessing.mean == pytest.approx(grey.preprocessing.mean)
    assert [step.name for step in again.rewrites] == ["in_channels", "in_channels", "fold"]
    pixels = torch.randn(4, 1, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(again.network(pixels), grey.network(pixels), rtol=1e-4, atol=1e-4)


def test_mean_and_deviation_of_grey_are_the_means_of_the_three() -> None:
    colour = Preprocessing(channels=3, resize=9, crop=8, mean=(0.1, 0.2, 0.6), std=(0.1, 0.2, 0.3), antialias=False)
    grey = with_channels(colour, 1)
    assert (grey.channels, grey.resize, grey.antialias) == (1, 9, False)
    assert grey.mean == pytest.approx((0.3,))
    assert grey.std == pytest.approx((0.2,))
    model: Any = SimpleNamespace(preprocessing=colour)
    assert "no longer channel by channel" in str(IN_CHANNELS.note(1, model))


def test_all_findings_of_a_model_at_once(cli: Cli, digits_run: Path) -> None:
    words = ["--classes", ",".join(DIGITS), "--in-channels", "1", "--deepen", "0,1,1", "--widen", "cardinality=4"]
    said = cli("rewrite", digits_run, *words, "--unpack", "--out", "x.safetensors")
    assert said.code == 2
    for part in (
        '--deepen "0,1,1": give the number of units of every stage, as in 3,4,6,3',
        "There is nothing to unpack in this network",
    ):
        assert part in said.err
    words[5] = "1,1,1"
    said = cli("rewrite", digits_run, *words, "--out", "x.safetensors")
    for part in (
        "--classes: the model has these 10 classes in this order; omit --classes.",
        "in_channels = 1: the network has this number already; omit it.",
        "depths = [1, 1, 1]: the network has these depths already; give a larger one.",
        "cardinality = 4: the network has 8, and widening can only add; give a larger value.",
    ):
        assert f"error: {part}\n" in said.err
    assert len(said.err.splitlines()) == 4
    assert not Path("x.safetensors").exists()
