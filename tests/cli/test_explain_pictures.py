"""`cardinet explain` with several words for pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cardinet.data.data_settings import DataSettings
from cardinet.data.source import open_source
from cardinet.runs.model_file import save_model
from cli.cli_runner import Cli
from explain.models import classifier


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with model.safetensors and the pictures a.png and b.png."""
    save_model(tmp_path / "model.safetensors", classifier())
    split = open_source("digits", DataSettings(limit=2)).splits["test"]
    for i, name in enumerate("ab"):
        split.picture(i).save(tmp_path / f"{name}.png")
    return tmp_path


def test_photographs_are_explained(cli: Cli, place: Path) -> None:
    model, a, b = (str(place / name) for name in ("model.safetensors", "a.png", "b.png"))
    said = cli("explain", "cam", model, a, b, "--json", "--device", "cpu", "--arrays", str(place / "maps.npz"))
    assert said.code == 0, said.err
    with np.load(place / "maps.npz") as arrays:
        assert arrays["path"].tolist() == [a, b]
        assert arrays["maps.answer"].shape[0] == arrays["pictures"].shape[0] == 2
        assert arrays["logits"].shape == (2, 10)
        assert json.loads(str(arrays["cardinet"]))["classes"] == [str(i) for i in range(10)]
    document = json.loads(said.out)
    assert [row["picture"] for row in document["pictures"]] == [a, b]
    assert (document["split"], document["count"], document["labelled"]) == ("all", 2, False)


def test_all_that_is_wrong_with_photographs_is_said_at_once(cli: Cli, place: Path) -> None:
    said = cli("explain", "cam", "nothere", str(place / "a.png"), "no.png", "no.jpg", "--set", "pixel_limit=0")
    assert said.code == 2
    for words in ('"nothere" is not there', "picture or folder no.png", "picture or folder no.jpg", "pixel_limit = 0"):
        assert said.err.count(words) == 1, said.err
    assert len(said.err.splitlines()) == 4
    (place / "b.png").write_bytes(b"no picture")
    said = cli("explain", "cam", str(place / "model.safetensors"), str(place / "b.png"))
    assert said.code == 1
    assert "it is not a picture" in said.err
    said = cli("explain", "paths", str(place / "model.safetensors"), "digits", "digits")
    assert said.code == 2
    assert '"paths" looks at one SOURCE with classes, and 2 are given.' in said.err
