"""Every wrong request ends in sentences that name the value and what to do, and changes nothing on disk."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from cli.cli_runner import Cli
from cli.hostile_files import snapshot
from cli.wrong_requests import WRONG


@pytest.mark.parametrize(("typed", "code", "parts"), WRONG, ids=[case[0] for case in WRONG])
def test_a_wrong_request_ends_in_sentences(
    typed: str, code: int, parts: list[str], cli: Cli, hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hostile)
    before = snapshot(hostile)
    said = cli(*shlex.split(typed))
    sentences = said.err.splitlines()
    assert said.code == code
    assert said.out == ""
    assert len(sentences) == len(parts), said.err
    for part, sentence in zip(parts, sentences, strict=True):
        assert part in sentence
        assert sentence.startswith("error: ")
        assert sentence.endswith((".", ")"))
    assert snapshot(hostile) == before
    assert not (hostile / "PWNED").exists()


def test_number_of_cases() -> None:
    assert len(WRONG) == len({typed for typed, _, _ in WRONG}) == 252


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--dry-run", "--epochs", "9" * 5000),
        ("train", "--dry-run", "--seed", "9" * 5000),
        ("train", "--dry-run", "--set", f"length={'9' * 300} epochs"),
        ("plan", "--like", "resnet50", "--cardinality", f"1,{'9' * 300}"),
        ("info", "a" * 100_000),
        ("predict", "a.safetensors", "x.png", "--device", "cuda:" + "9" * 300),
        ("report", "x" * 300),
        ("list", "--" + "x" * 5000),
        ("rewrite", "missing", "--out", "x" * 300, "--strip"),
    ],
)
def test_a_long_value_does_not_drown_the_sentence(cli: Cli, words: tuple[str, ...]) -> None:
    said = cli(*words)
    assert said.code == 2
    assert max(map(len, said.err.splitlines())) < 600
    assert "..." in said.err or "inf epochs" in said.err
