"""`cardinet explain` as users type it: what it writes, and what it refuses before it works."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cardinet.runs.model_file import save_model
from cli.cli_runner import Cli
from explain.models import classifier

EMBED = ("embed", "m.safetensors", "digits", "--set", "limit=40", "--set", "map=none", "--set", "shown=0")


@pytest.fixture
def model(tmp_path: Path) -> None:
    """A model file in the folder where the command stands."""
    save_model(tmp_path / "m.safetensors", classifier())


@pytest.mark.usefixtures("model")
def test_arrays_are_written_and_named(cli: Cli, tmp_path: Path) -> None:
    said = cli("explain", *EMBED, "--arrays", "a.parquet", "--out", "a.html", "--json")
    assert said.code == 0, said.err
    assert "The arrays are a.parquet: path, class, label, predicted, probability, features" in said.err
    table = pq.read_table(tmp_path / "a.parquet")
    about = json.loads(table.schema.metadata[b"cardinet"])
    assert [about[key] for key in ("schema", "model", "dimensions")] == [1, "m.safetensors", 8]
    printed = json.loads(said.out)
    assert {key: about[key] for key in printed} == printed
    assert [len(row) for row in table["features"].to_pylist()] == [8] * 40
    assert (tmp_path / "a.html").exists()


@pytest.mark.usefixtures("model")
def test_wrong_outputs_are_named_together_before_work(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("mine")
    said = cli("explain", *EMBED, "--arrays", "a.parquet", "--out", "nodir/x.html", "--set", "mapped=1")
    assert (said.code, said.out) == (2, "")
    for part in ("a.parquet exists", "its folder does not exist", "mapped = 1"):
        assert said.err.count(part) == 1, said.err
    assert (tmp_path / "a.parquet").read_text() == "mine"
    none = cli("explain", "paths", "m.safetensors", "--arrays", "p.npz")
    assert (none.code, none.out) == (2, "")
    assert '"paths" has no arrays' in none.err
    unasked = cli("explain", "embed", "--arrays", "p.npz")
    assert (unasked.code, unasked.out) == (2, "")
    assert "Name the model too" in unasked.err
