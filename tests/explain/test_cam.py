"""The question cam: what it shows, what its maps are worth, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import open_source
from cardinet.explain.attribution import METHODS
from cardinet.explain.figures import Sheet
from cardinet.explain.job import explain_model
from cardinet.explain.map_checks import probabilities_along, randomised, rank_correlation
from cardinet.explain.map_pictures import coloured
from explain.models import classifier


@pytest.mark.parametrize("method", METHODS)
def test_a_sheet_has_a_row_a_picture_with_answer_truth_and_rival(method: str) -> None:
    found = explain_model("cam", classifier(), "digits", method=method, pictures=3)
    sheet = found.sections[0].figures[0]
    assert isinstance(sheet, Sheet)
    assert [len(row) for row in sheet.rows] == [4, 4, 4]
    assert sheet.bar is not None
    rows: Any = found.document["pictures"]
    for row in rows:
        assert row["answer"] != row["rival"]
        assert max(row["probabilities"].values()) == row["probabilities"][row["answer"]]
    assert len(found.document["randomised"]) >= 4


def test_mistakes_are_wrong_answers_the_surest_first() -> None:
    rows: Any = explain_model("cam", classifier(), "digits", which="mistakes", pictures=4).document["pictures"]
    assert all(row["answer"] != row["truth"] for row in rows)
    sure = [row["probabilities"][row["answer"]] for row in rows]
    assert sure == sorted(sure, reverse=True)


def test_no_mistakes_are_said_in_a_sentence() -> None:
    """The labels are the model's own answers."""
    model, source = classifier(), open_source("digits", DataSettings(limit=40))
    name, split = next(iter(source.splits.items()))
    rows: Any = explain_model("cam", model, source, split=name, which="first", pictures=40).document["pictures"]
    right = replace(split, labels=np.array([int(row["answer"]) for row in rows], dtype=np.int64))
    own = replace(source, splits={name: right})
    with pytest.raises(WorkError, match="None of the 40 answers is wrong"):
        explain_model("cam", model, own, split=name, which="mistakes")


def test_the_same_seed_gives_the_same_answer() -> None:
    first, again, other = (explain_model("cam", classifier(), "digits", pictures=3, seed=seed) for seed in (1, 1, 2))
    assert first.document == again.document
    assert first.document["pictures"] != other.document["pictures"]


def test_raw_maps_are_written_with_a_manifest_and_never_over_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    explain_model("cam", classifier(), "digits", pictures=3, raw=str(folder))
    assert np.load(folder / "answer.npy").shape[0] == 3
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["schema"] == 1
    assert len(manifest["pictures"]) == 3
    with pytest.raises(RequestError, match="exists"):
        explain_model("cam", classifier(), "digits", pictures=3, raw=str(folder))


def test_a_stage_that_is_not_there_gets_the_names() -> None:
    with pytest.raises(RequestError, match="layer1, layer2, layer3"):
        explain_model("cam", classifier(), "digits", layer="body", pictures=2)


def test_places_are_deleted_from_the_highest() -> None:
    layer = torch.nn.Linear(4, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 2.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
    network: Any = torch.nn.Sequential(torch.nn.Flatten(), layer)
    x, maps, label = torch.ones(1, 1, 2, 2), torch.tensor([[[3.0, 2.0], [1.0, 0.0]]]), torch.tensor([0])
    deleted = probabilities_along(network, x, label, maps, (0, 0.25, 0.5, 1), insert=False)
    assert [p[0] for p in deleted] == pytest.approx([1 / (1 + np.exp(-s)) for s in (6, 3, 1, 0)])
    inserted = probabilities_along(network, x, label, maps, (0, 0.25, 1), insert=True)
    assert [p[0] for p in inserted] == pytest.approx([1 / (1 + np.exp(-s)) for s in (0, 3, 6)])


def test_randomising_goes_from_the_classifier_down_and_leaves_the_network() -> None:
    network: Any = classifier().network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    changed = []
    for name, made in randomised(network, 0):
        now = made.state_dict()
        changed.append((name, sum(not torch.equal(now[key], before[key]) for key in before)))
    assert [name for name, _ in changed] == ["fc", "layer3", "layer2", "layer1", "conv1"]
    assert [count for _, count in changed] == sorted(count for _, count in changed)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_rank_correlation_and_colours() -> None:
    x = torch.arange(12.0).view(3, 4)
    assert rank_correlation(x, x**3) == pytest.approx(1)
    assert rank_correlation(x, -x) == pytest.approx(-1)
    light = coloured(np.linspace(0, 1, 9)).sum(-1)
    assert (np.diff(light) > 0).all()
