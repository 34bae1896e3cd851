"""Three processes: what they exchange, BN over all of them, and an evaluation that counts every picture once."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cardinet.runs.ranks import ALONE
from ranks.exchanges import SIZES, batch, evaluated, normalised, norms, plain
from ranks.started import told


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    return told("exchanges", len(SIZES))


@pytest.mark.parametrize("affine", [True, False])
def test_norms_are_those_of_the_whole_batch(found: list[dict[str, Any]], affine: bool) -> None:
    x, weights = batch()
    whole = plain(normalised(norms(affine), x, weights))
    parts = [each[f"norms {affine}"] for each in found]
    compared = 0
    for name, value in whole.items():
        expected = torch.tensor(value, dtype=torch.float64)
        of_samples, of_parameter = name in ("x", "y"), "running" not in name and "num_batches" not in name
        each = [torch.tensor(part[name], dtype=torch.float64) for part in parts]
        got = [torch.cat(each)] if of_samples else [sum(each, torch.zeros(()))] if of_parameter else each
        for one in got:
            torch.testing.assert_close(one, expected, rtol=1e-11, atol=1e-11)
            compared += 1
    assert compared == (26 if affine else 24)


def test_recomputed_units_exchange_the_same(found: list[dict[str, Any]]) -> None:
    """The draws that close units are those of the first process, again, and so are the statistics of BN."""
    assert all(each["recomputation"]["compared"] > 60 for each in found)
    assert [each["recomputation"]["changed"] for each in found] == [[]] * 3


def test_gradients_are_averaged_and_the_unreached_stay_without(found: list[dict[str, Any]]) -> None:
    assert [each["gradients"] for each in found] == [[[[1.0] * 3] * 2, True]] * 3


def test_documents_and_tensors_travel(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["tell"] == [{"rank": rank, "text": "\u00e4" * rank} for rank in range(3)]
        assert (each["led"], each["any"]) == (1, [True, False])
        assert each["spread"] == {
            "a": ["torch.int64", [0, 1, 2]],
            "b": ["torch.bool", [True, False]],
            "c": ["torch.bfloat16", 0.5],
        }
    torch.manual_seed(0)
    assert [each["shared"] for each in found] == [[torch.rand(()).item(), (torch.rand(4) < 0.5).tolist()]] * 3


def test_findings_are_said_once(found: list[dict[str, Any]]) -> None:
    assert [each["all refuse"] for each in found] == [
        ["RequestError", ["no such thing."]],
        ["RequestError", []],
        ["RequestError", []],
    ]
    assert [each["one fails"] for each in found] == [
        ["WorkError", ["process 2: it broke."]],
        ["WorkError", []],
        ["WorkError", []],
    ]
    assert [each["none fails"] for each in found] == [[]] * 3


@pytest.mark.parametrize("limit", [2, 50])
def test_an_evaluation_is_that_of_one_process(found: list[dict[str, Any]], limit: int) -> None:
    alone = evaluated(ALONE, limit)
    assert alone["count"] == limit
    for each in found:
        got = dict(each["evaluated"][str(limit)])
        assert got.pop("chances") == [pytest.approx(row, rel=1e-5) for row in alone["chances"]]
        assert got.pop("loss") == pytest.approx(alone["loss"], rel=1e-6)
        assert got == {name: value for name, value in alone.items() if name not in ("chances", "loss")}
