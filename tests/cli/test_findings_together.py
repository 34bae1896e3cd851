"""Every verb that opens a model reports a wrong model, wrong pictures and a wrong place for its output together."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.cli_runner import Cli, command_line

MODEL, DATA, OUT = '"nothere" is not there', 'The source "nodata"', "its folder does not exist"

VERBS: dict[str, tuple[str, tuple[str, ...]]] = {
    "eval": ("nothere --data nodata --out nodir/x.csv", (MODEL, DATA, OUT)),
    "predict": ("nothere nopicture.png --out nodir/x.csv", (MODEL, "There is no picture or folder nopicture.png", OUT)),
    "rewrite": ("nothere --fold --data nodata --out nodir/x.safetensors", (MODEL, DATA, OUT)),
    "export": ("nothere --format torch-export --data nodata --out nodir/x.pt2", (MODEL, DATA, OUT)),
    "explain": ("paths nothere nodata --out nodir/x.html", (MODEL, DATA, OUT)),
    "bench": ("nothere --out nodir/x.html", ('There is no network "nothere"', OUT)),
    "push": (
        "nothere no/such/name --license nolicence --dry-run nodir/x",
        (MODEL, "no/such/name", "nolicence", "nodir/x cannot be made"),
    ),
}
"""By verb with an output: its words, each of them wrong, and what is said of them. Push and bench have no pictures."""


def test_every_verb_that_writes_what_it_finds_in_a_model_is_here() -> None:
    commands = command_line().commands
    found = {
        name
        for name, verb in commands.items()
        if any("MODEL" in str(p.metavar) for p in verb.params) and {p.name for p in verb.params} & {"out", "dry_run"}
    }
    assert found == set(VERBS)
    assert len(VERBS) == 7


@pytest.mark.parametrize("verb", VERBS)
def test_all_that_is_wrong_is_said_at_once(verb: str, cli: Cli, tmp_path: Path) -> None:
    words, parts = VERBS[verb]
    said = cli(verb, *words.split())
    assert (said.code, said.out) == (2, "")
    missing = [part for part in parts if part not in said.err]
    assert not missing, said.err
    assert len(said.err.splitlines()) == len(parts), said.err
    assert list(tmp_path.iterdir()) == []


READ_PICTURES = {
    "check-data": "nodata",
    "train": "--data nodata",
    "eval": "nothere --data nodata",
    "export": "nothere --format torch-export --data nodata --out x.pt2",
    "rewrite": "nothere --prune --keep-macs 0.5 --data nodata --out x.safetensors",
    "explain": "paths nothere nodata",
}
"""By verb that reads labelled pictures in a way that --set changes: its words."""


@pytest.mark.parametrize("verb", READ_PICTURES)
def test_a_wrong_setting_hides_no_source_that_is_not_there(verb: str, cli: Cli) -> None:
    said = cli(verb, *READ_PICTURES[verb].split(), "--set", "limit=-1", "--set", "pixel_limit=0")
    assert said.code == 2
    for part in (DATA, "limit = -1", "pixel_limit = 0"):
        assert said.err.count(part) == 1, said.err


def test_every_verb_that_reads_labelled_pictures_is_here() -> None:
    changed = {name for name, verb in command_line().commands.items() if {p.name for p in verb.params} & {"settings"}}
    assert changed - set(READ_PICTURES) == {"bench", "info", "predict"}
    assert len(READ_PICTURES) == 6
