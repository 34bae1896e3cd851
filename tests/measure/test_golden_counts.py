"""`cardinet info` against the papers' tables: ../shared/facts/papers.toml, and its copy in golden_counts.json."""

from __future__ import annotations

import functools
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from breadth import breadth
from cardinet.base.bounds import MODULES, PARAMETERS
from cardinet.build import builder
from cardinet.cli.verbs import app
from cardinet.networks.registry import NETWORKS, UNBUILDABLE

GOLDEN = json.loads((Path(__file__).parent / "golden_counts.json").read_text())
OTHER_MACS = {"inception_resnet_v1": 6.33}
"""Printed MACs that count more than convolution and linear layers; docs/contradictions.md has the reasons."""

MODULES_OF: dict[str, int] = {}
"""The modules of the networks that were counted here, in the largest of their forms."""


@functools.cache
def info(id: str) -> dict[str, Any]:
    build = builder.build

    def built(spec: Any, **how: Any) -> Any:
        network = build(spec, **how)
        MODULES_OF[id] = max(MODULES_OF.get(id, 0), sum(1 for _ in network.modules()))
        return network

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "build", built)
        done = CliRunner().invoke(app, ["info", id, "--json"])
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_golden_file_holds_every_row_that_has_a_count() -> None:
    assert len(GOLDEN) == 148
    assert sum("forms" in row for row in GOLDEN) == 14
    assert {row["id"] for row in GOLDEN} <= set(NETWORKS)


LARGE = ("preact1001_cifar", "multiresnet398_k5", "sd1202_cifar", "resnet1202_cifar", "multiresnet200_k5")
CASES = breadth(GOLDEN, *(row for row in GOLDEN if row["id"] in LARGE))


@pytest.mark.parametrize("row", CASES, ids=lambda row: row["id"])
def test_info_prints_the_golden_counts(row: dict[str, Any]) -> None:
    found = info(row["id"])
    assert (found["params"], found["macs"]) == (row["params"], row["macs"])
    assert sum(stage["params"] for stage in found["stages"]) == found["params"]
    assert sum(stage["macs"] for stage in found["stages"]) == found["macs"]
    for form, (params, macs) in row.get("forms", {}).items():
        assert (found["forms"][form]["params"], found["forms"][form]["macs"]) == (params, macs)


@pytest.mark.shared
def test_info_prints_the_counts_of_the_facts_file(shared: Path) -> None:
    rows = tomllib.loads((shared / "facts" / "papers.toml").read_text())["network"]
    assert {row["id"] for row in rows} <= {*NETWORKS, *UNBUILDABLE}
    assert sum(row["id"] in NETWORKS for row in rows) == 162
    params = macs = 0
    for row in rows:
        if "params" not in row:
            continue
        named, found = NETWORKS[row["id"]], info(row["id"])
        assert named.input_size == row["input_size"], row["id"]
        assert named.spec.num_classes == row["num_classes"], row["id"]
        assert found["params"] == row["params"], row["id"]
        params += 1
        if "gmacs_counted" in row and OTHER_MACS.get(row["id"]) != row["gmacs_counted"]:
            decimals = len(str(row["gmacs_counted"]).partition(".")[2])
            assert round(found["macs"] / 1e9, decimals) == row["gmacs_counted"], row["id"]
            macs += 1
    assert (params, macs) == (148, 145)


@pytest.mark.long
def test_the_largest_network_is_far_within_the_bounds() -> None:
    params = max((info(id)["params"], id) for id in NETWORKS)
    assert MODULES_OF.keys() == NETWORKS.keys()
    assert len(NETWORKS) == 176
    assert (params, 2 * params[0] < PARAMETERS) == ((145_113_754, "multiresnet26_w10_k4"), True)
    modules = max((count, id) for id, count in MODULES_OF.items())
    assert (modules, 2 * modules[0] < MODULES) == ((5940, "multiresnet398_k5"), True)
