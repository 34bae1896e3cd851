"""docs/contradictions.md says what the code counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cardinet.measure.counts import Counts, count_spec
from cardinet.networks.registry import find

PAGE = Path(__file__).parents[2] / "docs" / "contradictions.md"
_ROW = re.compile(r"\| (\w+) \| ([^|]+) \| ([\d,]+) \| [^|]+ \|")


def _counts(id: str) -> Counts:
    row = find(id)
    return count_spec(row.spec.but(**row.printed_form), row.input_size)


@pytest.mark.long
def test_the_page_holds_the_counts_and_only_contradictions() -> None:
    text = PAGE.read_text()
    parameters, macs = text.split("## Parameters")[1].split("## Counted otherwise")[0].split("## MACs")
    checked = 0
    for section, of, unit in ((parameters, "params", {"M": 1e6, "k": 1e3}), (macs, "macs", {"G": 1e9})):
        for id, printed, counted in _ROW.findall(section):
            found = getattr(_counts(id), of)
            assert found == int(counted.replace(",", "")), (id, of, f"{found:,}")
            figure = re.search(r"([\d.]+) (\w)", printed)
            assert figure is not None, printed
            decimals = len(figure[1].partition(".")[2])
            assert round(found / unit[figure[2]], decimals) != float(figure[1]), (id, printed)
            checked += 1
    assert checked == 57


def test_pycls_counts_the_classifiers_biases_and_the_pool() -> None:
    """Its figures are those of its own file (commit 4449e4a)."""
    section = PAGE.read_text().split("## Counted otherwise")[1].split("## Errors")[0]
    rows = re.findall(r"\| (\w+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", section)
    assert len(rows) == 6
    for id, *figures in rows:
        flops, macs, acts, activations = (int(figure.replace(",", "")) for figure in figures)
        found, network = _counts(id), find(id)
        assert (found.macs, found.activations) == (macs, activations), id
        pool = 0 if network.input_size == 32 else 64 * 56 * 56
        assert (flops, acts) == (macs + network.spec.num_classes, activations + pool), id
    for id, flops, params, acts in (
        ("resnet56_cifar", 125_747_850, 855_770, 544_778),
        ("resnet110_cifar", 253_149_834, 1_730_714, 1_060_874),
    ):
        projected = count_spec(find(id).spec.but(**{"shortcut.kind": "B"}), 32)
        assert (projected.macs + 10, projected.params, projected.activations) == (flops, params, acts)
