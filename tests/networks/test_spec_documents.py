"""Descriptions travel as documents: every row, and deltas of it, come back equal from JSON."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardinet.networks.document import from_document, to_document
from cardinet.networks.parts.gate import SqueezeExcite
from cardinet.networks.parts.shortcut import Shortcut
from cardinet.networks.parts.stem import Stem
from cardinet.networks.registry import NETWORKS
from cardinet.networks.residual import Residual


def through_json(spec: Residual) -> Any:
    return from_document(json.loads(json.dumps(to_document(spec))))


def test_every_row_comes_back_equal() -> None:
    checked = 0
    for id, row in NETWORKS.items():
        assert through_json(row.spec) == row.spec, id
        assert hash(through_json(row.spec)) == hash(row.spec), id
        checked += 1
    assert checked == len(NETWORKS) >= 40


DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "num_classes": st.integers(1, 10_000),
        "in_channels": st.integers(1, 12),
        "cardinality": st.integers(1, 64),
        "base_width": st.integers(1, 200) | st.floats(1, 200),
        "kind": st.sampled_from(["B", "C", "identity", "none"]),
        "pad": st.sampled_from(["end", "both"]),
        "form": st.sampled_from(["a", "b", "c"]),
        "stride_at": st.integers(0, 2),
        "gate": st.none() | st.builds(SqueezeExcite, reduction=st.integers(1, 32)),
        "stem": st.builds(Stem, layout=st.sampled_from(["imagenet", "cifar"]), width=st.integers(1, 128)),
        "shortcut.sample": st.sampled_from(["subsample", "avg"]),
    },
)


@settings(max_examples=100, deadline=None)
@given(DELTAS)
def test_deltas_come_back_equal(delta: dict[str, Any]) -> None:
    spec = NETWORKS["resnext50_32x4d"].spec.but(**delta)
    assert through_json(spec) == spec
    assert spec.but() == spec
    for name, value in delta.items():
        owners = {"cardinality": "spatial", **dict.fromkeys(("kind", "pad", "shortcut.sample"), "shortcut")}
        owner = owners.get(name)
        if owner == "spatial":
            assert spec.transform.spatial.cardinality == value
        elif name in ("base_width", "form", "stride_at"):
            assert getattr(spec.transform, name) == value
        elif owner is None:
            assert getattr(spec, name) == value


def test_a_document_names_its_parts() -> None:
    document = to_document(NETWORKS["resnext50_32x4d"].spec)
    assert document["part"] == "Residual"
    assert document["depths"] == [3, 4, 6, 3]
    assert document["transform"]["spatial"] == {"part": "Grouped", "cardinality": 32}
    assert document["gate"] is None


def test_parts_are_frozen_and_keyword_only() -> None:
    with pytest.raises(FrozenInstanceError):
        Shortcut().kind = "A"  # type: ignore[misc]
    with pytest.raises((TypeError, ValueError)):
        Shortcut("A")  # type: ignore[call-arg]


def test_two_rows_that_are_the_same_network_are_equal() -> None:
    assert NETWORKS["resnext50_1x64d"].spec == NETWORKS["resnet50"].spec
    assert NETWORKS["resnext50_32x4d"].spec != NETWORKS["resnet50"].spec
