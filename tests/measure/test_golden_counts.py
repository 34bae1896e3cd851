"""Every count against the papers' tables: ../shared/facts/papers.toml, and its copy in golden_counts.json."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from cardinet.measure.counts import Counts, count_spec
from cardinet.networks.registry import NETWORKS

FAMILIES = ("ResNet", "ResNet-CIFAR", "ResNeXt")
ROWS = 37
GOLDEN = json.loads((Path(__file__).parent / "golden_counts.json").read_text())

_counted: dict[str, Counts] = {}


def counted(id: str) -> Counts:
    if id not in _counted:
        _counted[id] = count_spec(NETWORKS[id].spec, NETWORKS[id].input_size)
    return _counted[id]


def test_golden_file_holds_every_network_of_these_families() -> None:
    assert len(GOLDEN) == ROWS
    assert {row["id"] for row in GOLDEN} <= set(NETWORKS)


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row["id"])
def test_counts_are_the_golden_ones(row: dict[str, int]) -> None:
    counts = counted(str(row["id"]))
    assert (counts.params, counts.macs) == (row["params"], row["macs"])
    assert sum(stage.params for stage in counts.stages) == counts.params
    assert sum(stage.macs for stage in counts.stages) == counts.macs


@pytest.mark.shared
def test_counts_are_those_of_the_facts_file(shared: Path) -> None:
    facts = tomllib.loads((shared / "facts" / "papers.toml").read_text())["network"]
    rows = [row for row in facts if row["family"] in FAMILIES]
    checked = 0
    for row in rows:
        named = NETWORKS[row["id"]]
        assert named.input_size == row["input_size"], row["id"]
        assert named.spec.num_classes == row["num_classes"], row["id"]
        counts = counted(row["id"])
        assert counts.params == row["params"], row["id"]
        decimals = len(str(row["gmacs_counted"]).partition(".")[2])
        assert round(counts.macs / 1e9, decimals) == row["gmacs_counted"], row["id"]
        checked += 1
    assert checked == len(rows) == ROWS
