"""The document, the table and the page of a result that is made by hand, and one whole benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cardinet.bench.contest import Contest, Entry
from cardinet.bench.job import Result, measure
from cardinet.bench.machine import warnings
from cardinet.bench.peaks import Peaks
from cardinet.bench.request import Request, resolve
from cardinet.bench.work import Work
from cardinet.report.bench_page import COLUMNS, cells, page

TIMES = {"cardinet": (20.0, 20.0, 22.0), "torchvision": (10.0, 10.0, 11.0)}
MACHINE = {
    "cpu": "<a processor>",
    "cores": "2",
    "system": "Linux",
    "threads": 2,
    "features": ["avx2"],
    "commit": None,
    "versions": {"torch": "2.12"},
}


def result() -> Result:
    entries = [Entry("cardinet", "ours", 0.0, 5_000_000), Entry("torchvision", "theirs", 1e-6, None)]
    contest = Contest(Work("inference", "float32", 8, 2), TIMES, entries, {"timm": "<why>"}, floor=5.0)
    nobody = Contest(Work("training", "int8", 8, 2), {}, [], {"cardinet": "it has no int8"})
    load = {"start": {"busy_cores": 0.0}, "end": {"busy_cores": 1.5}}
    peaks = Peaks({"float32": 2e11}, 2e10)
    return Result("resnet50", "resnet50", 224, 0, MACHINE, peaks, (contest, nobody), load, ("a note",))


def test_the_document_is_json_and_has_every_number() -> None:
    found = json.loads(json.dumps(result().to_document(), allow_nan=False))
    keys = "network model input_size seed machine load peaks spread contests layers notes"
    assert set(found) == set(keys.split())
    first, second = found["contests"]
    assert first["entries"][1]["against_best_other"] == {"contender": "cardinet", "ratio": 2.0, "quartiles": [2.0, 2.0]}
    assert first["entries"][0]["share_of_roofline"] == 0.25
    assert first["entries"][0]["times"] == [20.0, 20.0, 22.0]
    assert (second["rounds"], second["entries"]) == (0, [])


def test_the_table_has_the_fastest_first() -> None:
    rows = list(cells(result().contests[0]))
    assert [row[0] for row in rows] == ["torchvision", "cardinet"]
    assert all(len(row) == len(COLUMNS) for row in rows)
    assert rows[0][1:5] == ("10", "10 to 11", "800", "2.00")
    assert rows[1][6:] == ("25 %", "5")


def test_the_page_has_the_figures_and_escapes_every_text() -> None:
    made = page(result())
    assert "torchvision is the fastest with 10 ms, 2.00 times as fast as cardinet" in made
    assert "no contender could be timed" in made
    for text in ("&lt;why&gt;", "&lt;a processor&gt;", "a note", "200 GFLOP/s", "<svg"):
        assert text in made
    assert "<why>" not in made


def test_a_machine_that_was_not_quiet_is_named() -> None:
    assert warnings({"busy_cores": 0.05}, {"busy_cores": None}) == []
    (found,) = warnings({"busy_cores": 0.0}, {"busy_cores": 1.5})
    assert "other programs used 1.5 cores at the end." in found
    (both,) = warnings({"busy_cores": 2.0}, {"busy_cores": 1.5})
    assert "other programs used 2.0 cores at the start and 1.5 cores at the end." in both


@pytest.mark.long
def test_a_benchmark_of_every_measure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    request = Request(
        model="resnet20_cifar",
        measures=("inference,training,start",),
        against=("timm,torchvision",),
        batch_sizes=("2",),
        seconds=0.01,
        threads=1,
    )
    found = measure(resolve(request))
    assert [contest.work.measure for contest in found.contests] == ["inference", "training", "start"]
    for contest in found.contests:
        assert [entry.contender for entry in contest.entries] == ["cardinet"]
        assert contest.entries[0].difference < 1e-5
        assert set(contest.left_out) == {"timm", "torchvision"}
    assert found.peaks.copy > 0
    assert set(found.peaks.operations) >= {"float32"}
    assert list(tmp_path.glob("cardinet-bench-*")) == []  # torch keeps a folder of its own there
