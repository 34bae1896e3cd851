"""Axes, bends and curves: what a benchmark along an axis asks for, and how its costs are read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cardinet.base.errors import RequestError
from cardinet.bench.axes import AXES, over
from cardinet.bench.bend import growth
from cardinet.bench.contest import Contest, Entry
from cardinet.bench.growing import Grown, Point, check, grow
from cardinet.bench.peaks import Peaks
from cardinet.bench.request import Request
from cardinet.bench.work import Work
from cardinet.measure.counts import Counts, count_spec
from cardinet.networks.registry import find
from cardinet.report.growth_page import GROWTH_COLUMNS, curve_title, growth_cells, growth_page
from cardinet.report.number_text import MISSING

CIFAR = Request(model="resnet20_cifar", against=("none",), batch_sizes=("4",))
RESNEXT = Request(model="resnext50_32x4d", against=("none",), batch_sizes=("4",))


def test_every_axis_has_variants() -> None:
    asked: dict[str, tuple[str, list[float]]] = {
        "batch-size": ("1,64,8", [1, 8, 64]),
        "input-size": ("32,448", [32, 448]),
        "threads": ("2,1", [1, 2]),
        "cardinality": ("1,2,4,8,32", [1, 2, 4, 8, 32]),
        "depth": ("50,101,152", [50, 101, 152]),
        "width": ("2,0.5", [0.5, 2]),
    }
    assert set(asked) == set(AXES)
    for name, (values, places) in asked.items():
        axis, variants = over(f"{name}={values}", RESNEXT)
        assert axis.name == name
        if name == "depth":
            assert all(abs(one.place - place) <= 8 for one, place in zip(variants, places, strict=True))
        else:
            assert [one.place for one in variants] == places


def test_another_cardinality_keeps_the_macs() -> None:
    """Table 2 of Xie et al. 2016 has 1x64d, 2x40d, 4x24d, 8x14d and 32x4d; the MACs alone give 13 for 14."""
    spec = find("resnet50").spec
    _, variants = over("cardinality=1,2,4,8,32", Request(model="resnet50", against=("none",)))
    assert [one.name for one in variants] == ["1x64d", "2x40d", "4x24d", "8x13d", "32x4d"]
    whole = count_spec(spec, 224).macs
    for variant in variants:
        assert abs(count_spec(spec.but(**variant.request.delta), 224).macs / whole - 1) < 0.05


@pytest.mark.parametrize("layers", [20, 56, 110, 1202])
def test_the_depths_of_the_papers_are_met(layers: int) -> None:
    _, variants = over(f"depth=8,{layers}", CIFAR)
    units = (layers - 2) // 6
    assert variants[-1].place == layers
    assert variants[-1].request.delta == {"depths": (units, units, units)}


@pytest.mark.parametrize(
    ("text", "request_", "said"),
    [
        ("heigth=1,2", CIFAR, 'there is no axis "heigth"'),
        ("depth=20", CIFAR, "give two or more values, as in depth=1,2,4"),
        ("batch-size=1,x,0", CIFAR, '"x" is wrong; give whole numbers from 1 to 1,000,000'),
        ("width=0.5,200", CIFAR, '"200" is wrong; give factors from 0.01 to 100'),
        ("depth=20,21", CIFAR, "these values make one and the same network"),
        ("depth=20,32", Request(model="vgg16", against=("none",)), "--over depth is for residual networks"),
        ("cardinality=1,2", CIFAR, "grouped"),
    ],
)
def test_what_is_no_axis_is_refused(text: str, request_: Request, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        check(text, request_)
    assert said in " ".join(caught.value.findings)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(RequestError) as caught:
        check("depths=1,2", Request(model="resnet20_cifar", precisions=("float31",), against=("nobody",)))
    said = " ".join(caught.value.findings)
    assert all(word in said for word in ("depths", "float31", "nobody"))


@pytest.mark.parametrize(("before", "after", "at"), [(0.3, 1.0, 8.0), (1.0, 0.2, 32.0)])
def test_a_bend_is_found(before: float, after: float, at: float) -> None:
    x = [1.0, 2, 4, 8, 16, 32, 64, 128]
    noise = np.random.default_rng(0).normal(0, 0.01, len(x))
    y = [(v / at) ** (before if v < at else after) * np.exp(e) for v, e in zip(x, noise, strict=True)]
    found = growth(x, y)
    assert found.place == at
    assert found.before == pytest.approx(before, abs=0.05)
    assert found.after == pytest.approx(after, abs=0.05)


def test_a_straight_line_has_no_bend() -> None:
    x = [1.0, 2, 4, 8, 16, 32]
    noise = np.random.default_rng(1).normal(0, 0.03, len(x))
    found = growth(x, [3 * v**0.9 * np.exp(e) for v, e in zip(x, noise, strict=True)])
    assert found.place is None
    assert found.before == found.after == pytest.approx(0.9, abs=0.05)
    assert growth([1, 2], [5, 10]).after == pytest.approx(1)


def grown() -> Grown:
    """A network that is measured at three batch sizes; the second contender cannot take the last."""
    counts = Counts((3, 8, 8), params=1_000_000, macs=2_000_000_000, activations=5, stages=())
    points = []
    for batch in (1, 2, 4):
        times = {"cardinet": (batch * 10.0,) * 3, "timm": (batch * 20.0,) * 3}
        if batch == 4:
            del times["timm"]
        entries = [Entry(name, name, 0.0, 1_000_000 * batch if name == "timm" else None) for name in times]
        contest = Contest(Work("inference", "float32", batch, 2), times, entries, {}, floor=5.0 * batch)
        points.append(Point(batch, str(batch), counts, (contest,)))
    machine = {"cpu": "<a processor>", "cores": "2", "system": "Linux", "threads": 2, "features": ["avx2"]}
    machine |= {"commit": None, "versions": {"torch": "2.12"}}
    load = {"start": {"busy_cores": 0.0}, "end": {"busy_cores": 0.0}}
    peaks = Peaks({"float32": 2e11}, 2e10)
    return Grown("resnet50", AXES["batch-size"], 0, machine, peaks, tuple(points), load, ("<a note>",))


def test_curves_tables_and_the_page() -> None:
    ours, other = grown().curves()
    assert ours.places == (1, 2, 4)
    assert other.places == (1, 2)
    assert ours.time is not None
    assert other.memory is not None
    assert ours.time.after == pytest.approx(1)
    assert other.memory.after == pytest.approx(1)
    assert ours.memory is None
    assert curve_title(ours) == "cardinet, inference, float32"
    rows = list(growth_cells(grown(), ours))
    assert all(len(row) == len(GROWTH_COLUMNS) for row in rows)
    assert rows[2] == ("4", "1", "2", "40", "40 to 40", "100", "50 %", MISSING)
    made = growth_page(grown())
    assert "The time of a pass grows with the pictures of a pass to the power 1.00." in made
    assert "&lt;a note&gt;" in made
    assert "<svg" in made
    document = json.loads(json.dumps(grown().to_document(), allow_nan=False))
    assert [point["value"] for point in document["points"]] == [1, 2, 4]
    assert document["growth"][0]["time"]["place"] is None


@pytest.mark.long
def test_a_network_grows_in_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    request = Request(model="resnet20_cifar", against=("none",), batch_sizes=("2",), seconds=0.01, threads=1)
    found = grow(*check("depth=8,20", request))
    (curve,) = found.curves()
    assert curve.places == (8, 20)
    assert found.points[1].counts.params == 269_722
    assert all(curve.milliseconds)
    assert not list(tmp_path.iterdir())
