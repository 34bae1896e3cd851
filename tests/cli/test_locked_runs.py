"""A run folder that somebody is writing, and files that the system refuses."""

from __future__ import annotations

import builtins
import shutil
from pathlib import Path
from typing import Any

import pytest

from cardinet.cli import verbs
from cardinet.runs.folder import RunFolder
from cli.cli_runner import Cli


def test_a_run_that_is_being_written_is_not_resumed_but_can_be_read(cli: Cli, digits_run: Path) -> None:
    shutil.copytree(digits_run, "run")
    with RunFolder(Path("run")).locked():
        said = cli("train", "--resume", "run")
        assert (said.code, said.out) == (1, "")
        assert said.err == "error: run is being written by another process; wait for it or stop it.\n"
        assert cli("eval", "run").code == 0
        assert cli("report", "run").code == 0
    assert cli("train", "--resume", "run").code == 0


def test_a_file_that_may_not_be_read(cli: Cli, digits_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(digits_run / "model.safetensors", "model.safetensors")
    real = builtins.open

    def refuse(file: Any, *rest: Any, **more: Any) -> Any:
        if str(file).endswith("model.safetensors"):
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *rest, **more)

    monkeypatch.setattr(builtins, "open", refuse)
    for words in (["info", "model.safetensors"], ["train", "--weights", "model.safetensors"]):
        said = cli(*words)
        assert (said.code, said.err) == (2, "error: model.safetensors cannot be read: Permission denied.\n")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "There is not enough memory for this; give a smaller --batch-size, or smaller pictures."),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            "not enough memory",
        ),
        (OSError(28, "No space left on device", "x.json"), "x.json could not be read or written: No space left"),
    ],
)
def test_what_the_machine_refuses_is_a_sentence(
    error: Exception, sentence: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*words: Any, **more: Any) -> None:
        raise error

    monkeypatch.setattr(verbs, "app", fail)
    said = cli("list")
    assert said.code == 1
    assert said.err.startswith("error: ")
    assert sentence in said.err


def test_a_mistake_of_ours_is_not_hidden(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*words: Any, **more: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(verbs, "app", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        cli("list")
