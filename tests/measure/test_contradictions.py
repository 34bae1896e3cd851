"""docs/contradictions.md says what the code counts."""

from __future__ import annotations

import re
from pathlib import Path

from cardinet.measure.counts import Counts, count_spec
from cardinet.networks.registry import find

PAGE = Path(__file__).parents[2] / "docs" / "contradictions.md"
_ROW = re.compile(r"\| (\w+) \| ([^|]+) \| ([\d,]+) \| [^|]+ \|")


def _counts(id: str) -> Counts:
    row = find(id)
    return count_spec(row.spec.but(**row.printed_form), row.input_size)


def test_the_page_holds_the_counts_and_only_contradictions() -> None:
    text = PAGE.read_text()
    parameters, macs = text.split("## Parameters")[1].split("## Errors")[0].split("## MACs")
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
