"""Planning at a budget: the paper's templates come out, and bisection finds what a full search finds."""

from __future__ import annotations

import pytest

from breadth import breadth
from cardinet.base.errors import RequestError
from cardinet.measure.counts import count_spec
from cardinet.measure.plan import Row, plan
from cardinet.networks.registry import find
from cardinet.networks.residual import Residual

PAPER = (1, 2, 4, 8, 32)


@pytest.mark.long
@pytest.mark.parametrize(("budget", "widths"), [("params", [64, 40, 24, 14, 4]), ("macs", [64, 40, 24, 13, 4])])
def test_base_widths_of_the_paper(budget: str, widths: list[int]) -> None:
    seen: list[tuple[int, int]] = []
    rows = plan(find("resnet50").spec, PAPER, budget, 224, progress=lambda *done: seen.append(done))
    assert [row.cardinality for row in rows] == list(PAPER)
    assert [row.base_width for row in rows] == widths
    assert rows[0].difference == 0
    assert seen == [(i, 5) for i in range(1, 6)]


def test_rows_hold_the_measured_counts() -> None:
    (row,) = plan(find("resnet50").spec, [32], "params", 224)
    counts = count_spec(find("resnext50_32x4d").spec, 224)
    assert (row.params, row.macs, row.activations) == (counts.params, counts.macs, counts.activations)
    assert row.difference == pytest.approx(100 * (25_028_904 - 25_557_032) / 25_557_032)
    assert row.base_width == 4


@pytest.mark.parametrize("budget", ["params", "macs"])
@pytest.mark.parametrize("cardinality", breadth([1, 3, 8, 64], 1, 8))
def test_full_search_finds_the_same(budget: str, cardinality: int) -> None:
    """Widths of 16 round base widths down, so that several cost the same: the smallest is meant."""
    spec = find("resnext11_8x16d_digits").spec.but(widths=(16, 24, 40))
    whole = getattr(count_spec(spec, 8), budget)
    costs = {
        width: getattr(count_spec(spec.but(cardinality=cardinality, base_width=width), 8), budget)
        for width in range(4, 90)
    }
    assert list(costs.values()) == sorted(costs.values())
    assert len(set(costs.values())) < len(costs)
    expected = min(costs, key=lambda width: (abs(costs[width] - whole), width))
    (row,) = plan(spec, [cardinality], budget, 8)
    assert row.base_width == expected


def test_of_two_equally_near_the_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    import cardinet.measure.plan as module

    def counted(spec: Residual, size: int) -> Row:
        cost = 15 if spec.transform.spatial.cardinality == 1 else 10 * int(spec.transform.base_width)
        return Row(1, 1, cost, cost, cost, 0)

    monkeypatch.setattr(module, "count_spec", counted)
    (row,) = plan(find("resnet50").spec, [2], "params", 224)
    assert (row.base_width, row.params) == (1, 10)


def test_every_wrong_request_is_named_at_once() -> None:
    with pytest.raises(RequestError) as error:
        plan(find("resnet18").spec, [4, 0], "parms", 224)
    assert len(error.value.findings) == 3
    assert "grouped 3x3" in error.value.findings[0]
    assert "nearest: params" in error.value.findings[1]
    assert "cardinality = 0" in error.value.findings[2]
    with pytest.raises(RequestError, match="at least one cardinality"):
        plan(find("resnet50").spec, [], "macs", 224)
