"""The comparison of runs: three axes of progress, what a reader must know, and the same figures as data."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from cardinet.report import comparison
from cardinet.report.comparison import as_csv, as_json, notes
from cardinet.report.progress import AXES, with_progress
from cardinet.report.templating import breakable
from report.report_samples import content, digits, unfinished


def line(step: int, seconds: float | None = None, **more: Any) -> dict[str, Any]:
    row = {"kind": "train", "step": step, "epoch": step / 10, "loss": 2.0 / step, "error": 0.5, "lr": 0.1}
    return {
        **row,
        "images_per_second": 100.0,
        "waiting": 0.0,
        **({} if seconds is None else {"seconds": seconds}),
        **more,
    }


def judged(step: int, error: float, seconds: float = 4.0) -> dict[str, Any]:
    return {"kind": "evaluation", "split": "validation", "step": step, "epoch": step / 10, "count": 100, "loss": 1.0,
            "wrong": round(100 * error), "error": error, "best": True, "seconds": seconds}  # fmt: skip


ROWS = (line(4, 2.0), judged(6, 0.4), line(8, 6.0), judged(10, 0.2), line(12, 14.0), judged(14, 0.3))
RUN = content(history=ROWS, batch_size=32, run="runs/a")


def test_progress_of_lines_between_the_times_that_were_written_down() -> None:
    """An evaluation lies on the line between its neighbours, and its own seconds count from it on."""
    lines = with_progress(RUN)
    assert [row["images"] for row in lines] == [128, 192, 256, 320, 384, 448]
    assert [row["wall"] for row in lines] == [2.0, 4.0 + 4, 6.0 + 4, 10.0 + 8, 14.0 + 8, 18.0 + 12]
    assert with_progress(content(history=(judged(6, 0.4),))) == (judged(6, 0.4),)
    assert "wall" not in with_progress(content(history=(line(4),)))[0]


@pytest.mark.parametrize(
    ("axis", "greatest", "unit"),
    [
        ("epoch", 90.0, "epoch"),
        ("images", 1999.0, "images"),
        ("images", 2e3, "thousand images"),
        ("images", 3e6, "million images"),
        ("wall", 119.0, "seconds"),
        ("wall", 7000.0, "minutes"),
        ("wall", 7200.0, "hours"),
    ],
)
def test_units(axis: str, greatest: float, unit: str) -> None:
    found = {a.key: a for a in AXES}[axis].unit(greatest)
    assert found[0] == unit


def test_the_page_has_a_switch_of_three_axes_without_a_script() -> None:
    other = content(history=(line(4, 3.0), judged(8, 0.1)), batch_size=64, run="runs/b", processes=2)
    page = comparison([RUN, other])
    assert "<script" not in page
    switches = re.findall(r'<input type="radio" name="axis" id="axis-(\w+)"( checked)?>', page)
    assert switches == [("epoch", " checked"), ("images", ""), ("wall", "")]
    for key, unit in (("epoch", "epoch"), ("images", "images"), ("wall", "seconds")):
        part = page.partition(f'id="along-{key}"')[2].partition('class="along"')[0]
        assert part.count("<svg") == 4
        assert f">{unit}</text>" in part
        assert f"#axis-{key}:checked ~ #along-{key}" in page
    assert re.search(r"Evaluated error against images\. runs/a: from 40.% to 30.% at images 448\.", page)
    for text in ("20.00\u00a0%", "epoch 1", "30.0\u00a0s", '<td class="n">2</td>'):
        assert text in page, text


def test_an_axis_that_is_not_known_is_left_out() -> None:
    page = comparison([content(history=(line(4), line(8)))])
    assert re.findall(r'id="axis-(\w+)"', page) == ["epoch"]


def test_what_a_reader_must_know() -> None:
    other_classes = replace(RUN, classes=(*RUN.classes[:-1], "another"), run="runs/b")
    assert notes([RUN, RUN]) == []
    assert notes([RUN, other_classes]) == [
        "The runs have different classes, so their errors are not those of one task."
    ]
    assert notes([RUN, replace(RUN, data="another", run="runs/b")]) == [
        "The runs have different pictures, so their errors are not those of one task."
    ]
    unjudged = replace(RUN, history=(line(4, 2.0),), run="runs/b")
    assert notes([RUN, unjudged]) == ["runs/b was not evaluated while it trained, so it has no evaluated curve."]
    for text in notes([other_classes, unjudged]):
        assert text in comparison([other_classes, unjudged])


def test_long_settings_break_between_their_words() -> None:
    mine = {"methods.AuxiliaryHeads.at": "layer1", "network.id": "resnext11_8x16d_digits"}
    page = comparison([replace(RUN, settings=mine), replace(RUN, run="runs/b", settings={})])
    assert "methods.<wbr>AuxiliaryHeads.<wbr>at" in page
    assert str(breakable("a-b 0.309, 1e-05, -0.5, img_1.png")) == "a-<wbr>b 0.309, 1e-05, -0.5, img_<wbr>1.<wbr>png"
    assert "resnext11_<wbr>8x16d_<wbr>digits" in page
    assert ".differences td, .differences tbody th { overflow-wrap: break-word;" in page  # not within a word


def test_the_same_figures_as_data() -> None:
    result = digits().result
    assert result is not None
    runs = [replace(RUN, result=result), replace(unfinished(), run="runs/b", settings={"lr": "0.2"})]
    document = json.loads(as_json(runs))
    first, second = document["runs"]
    assert (first["best_evaluation"], first["images"], first["seconds"]) == ({"epoch": 1.0, "error": 0.2}, 448, 30.0)
    assert (second["status"], second["results"]) == ("stopped at step 150 of 8,000", {})
    assert first["results"]["test"]["error"] == result.wrong / result.count
    assert [row["setting"] for row in document["differences"]] == ["lr"]
    rows = list(csv.DictReader(io.StringIO(as_csv(runs))))
    mine = [row for row in rows if row["run"] == "runs/a"]
    assert len(rows) == len(ROWS) + len(runs[1].history)
    assert [float(row["seconds"]) for row in mine] == [row["seconds"] for row in first["lines"]]
    assert [row["split"] for row in mine] == ["", "validation"] * 3
    assert [float(row["error"]) for row in mine[1::2]] == [0.4, 0.2, 0.3]


def test_hostile_names_stay_text_in_the_data() -> None:
    run = replace(digits(), run='a,"b"\n</table><b>', name="")
    rows = list(csv.DictReader(io.StringIO(as_csv([run, run]))))
    assert {row["run"] for row in rows} == {f"{i}. {run.run}" for i in (1, 2)}
    assert "</table><b>" not in comparison([run, run])
