"""A model file whose weights are not what was written: which verbs take it, and what all others say."""

from __future__ import annotations

from pathlib import Path

import pytest

import cardinet
from cardinet.blocks.classifier import Classifier
from cli.cli_runner import Cli
from cli.hostile_files import picture

HINT = "`cardinet eval` and `cardinet predict` accept it with --no-checksums"
VERBS = {
    "rewrite": ["rewrite", "flipped.safetensors", "--fold", "--out", "made.safetensors"],
    "prune": ["rewrite", "flipped.safetensors", "--prune", "--data", "digits", "--out", "made.safetensors"],
    "export": ["export", "flipped.safetensors", "--format", "torch-export", "--out", "made.pt2"],
    "push": ["push", "flipped.safetensors", "me/model", "--dry-run", "made"],
    "train": ["train", "--weights", "flipped.safetensors", "--out", "made"],
    "info": ["info", "flipped.safetensors"],
    "predict": ["predict", "flipped.safetensors", "red.png"],
    "eval": ["eval", "flipped.safetensors", "--data", "digits"],
    "eval of weights": ["eval", "resnext11_8x16d_digits", "--weights", "weights.safetensors", "--data", "digits"],
}
TAKE_IT = ("predict", "eval", "eval of weights")


def flip(file: Path) -> None:
    """Change the last bit, which is one of a tensor."""
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


@pytest.fixture
def here(tmp_path: Path, digits_run: Path) -> Path:
    (tmp_path / "flipped.safetensors").write_bytes((digits_run / "model.safetensors").read_bytes())
    network = cardinet.load(digits_run).network
    assert isinstance(network, Classifier)
    cardinet.save_weights(network, tmp_path / "weights.safetensors")
    for name in ("flipped", "weights"):
        flip(tmp_path / f"{name}.safetensors")
    picture(tmp_path / "red.png")
    return tmp_path


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_refuses_it_and_says_which_take_it(verb: str, cli: Cli, here: Path) -> None:
    before = sorted(here.iterdir())
    said = cli(*VERBS[verb])
    assert (said.code, said.out) == (1, ""), said.err
    assert (
        sum("are not what was written. Fetch or make it again. " + HINT in line for line in said.err.split("\n")) == 1
    )
    assert sorted(here.iterdir()) == before
    unchecked = cli(*VERBS[verb], "--no-checksums")
    assert (unchecked.code == 0) == (verb in TAKE_IT), unchecked.err


def test_the_verbs() -> None:
    assert len(VERBS) == 9
