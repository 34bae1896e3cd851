"""Every verb that opens a model looks for memory first, and --no-bounds lets each of them try."""

from __future__ import annotations

from pathlib import Path

import pytest

import cardinet
from breadth import breadth
from cardinet.measure.memory import network_bytes
from cardinet.runs.model_file import Model, load_model
from cli.cli_runner import Cli, command_line
from cli.hostile_files import picture
from measure.machine import with_memory

VERBS: dict[str, tuple[tuple[str, ...], str]] = {
    "info": ((), ""),
    "eval": (("--data", "digits"), "An evaluation needs about "),
    "predict": (("red.png",), ""),
    "explain paths": ((), ""),
    "rewrite": (("--fold", "--out", "b.safetensors"), "The proof of these rewrites needs about "),
    "export": (("--format", "torch-export", "--out", "b.pt2"), "The export, with batches of 64 pictures of 8 x 8 "),
    "bench": (("--against", "none", "--batch-size", "4", "--seconds", "0.01"), "A benchmark needs about "),
    "push": (("me/it", "--dry-run", "there"), "The push of "),
}
"""By verb that opens a model, with the words before the model: its other words, and what is refused if only the model
fits into the memory.
"""


def test_every_verb_that_opens_a_model_is_here() -> None:
    commands = command_line().commands
    models = {name for name, verb in commands.items() if any("MODEL" in str(p.metavar) for p in verb.params)}
    assert models == {words.split()[0] for words in VERBS}
    assert len(VERBS) == 8


def only(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The working folder, with a picture."""
    picture(tmp_path / "red.png")
    return tmp_path


@pytest.mark.parametrize("verb", breadth(VERBS, "bench"))
def test_a_model_that_does_not_fit(
    verb: str, cli: Cli, place: Path, digits_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    words, _ = VERBS[verb]
    with pytest.MonkeyPatch.context() as patch:
        with_memory(patch, tmp_path_factory.mktemp("machine"), 1024)
        said = cli(*verb.split(), digits_run / "model.safetensors", *words)
        assert said.code == 2
        assert "error: The network of " in said.err
        assert "memory are available on cpu. --no-bounds lifts this bound" in said.err
        assert only(place) == ["red.png"]
        assert cli(*verb.split(), digits_run / "model.safetensors", *words, "--no-bounds").code == 0


@pytest.mark.parametrize("verb", breadth(VERBS, "bench"))
def test_work_that_does_not_fit_beside_the_model(
    verb: str, cli: Cli, place: Path, digits_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The little that a single small picture takes fits, and counting takes nothing."""
    words, refused = VERBS[verb]
    needed = network_bytes(cardinet.load(digits_run).network)
    with pytest.MonkeyPatch.context() as patch:
        with_memory(patch, tmp_path_factory.mktemp("machine"), int(1.5 * needed))
        said = cli(*verb.split(), digits_run / "model.safetensors", *words)
    assert said.code == (2 if refused else 0)
    assert f"error: {refused}" in said.err if refused else said.out
    assert only(place) == ["red.png"]


def test_a_run_comes_to_its_end_whatever_memory_is_left(
    cli: Cli, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = tmp_path_factory.mktemp("machine")

    def starved(path: Path, device: str) -> Model:
        with_memory(monkeypatch, machine, 1024)
        return load_model(path, device)

    monkeypatch.setattr("cardinet.train.finish.load_model", starved)
    said = cli("train", "--set", "training.length=1 steps", "--set", "machine.threads=1", "--out", tmp_path / "run")
    assert said.code == 0, said.err
    assert (tmp_path / "run" / "evaluation.json").exists()
