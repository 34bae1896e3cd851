"""Where the time of a pass goes: the kinds of operations, that they add up, and the floors by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from bench.test_floors import Unit
from cardinet.base.errors import RequestError
from cardinet.bench.contenders import contenders
from cardinet.bench.job import subject_in
from cardinet.bench.kind_floors import kind_floors, map_values
from cardinet.bench.layer_times import LayerTimes, layer_times, operations
from cardinet.bench.peaks import Peaks
from cardinet.bench.request import Request, resolve
from cardinet.bench.step_kinds import BETWEEN, KINDS, Operation, kind_of, times_by_kind
from cardinet.bench.work import Work
from cardinet.report.bench_layers import LAYER_COLUMNS, layer_cells, layer_section

X = (2, 8, 6, 6)
CASES = [
    ("aten::conv2d", [X, (8, 8, 1, 1)], "1x1"),
    ("aten::conv2d", [X, (8, 2, 3, 3)], "grouped"),
    ("aten::conv2d", [X, (8, 2, 1, 1)], "grouped"),
    ("aten::conv2d", [X, (8, 8, 3, 3)], "other convolution"),
    ("aten::convolution_backward", [X, X, (8, 2, 3, 3)], "grouped"),
    ("aten::convolution_backward", [X, X, (8, 8, 1, 1)], "1x1"),
    ("aten::batch_norm", [X], "norm"),
    ("cardinet::batch_norm_backward", [X], "norm"),
    ("aten::threshold_backward", [X], "activation"),
    ("aten::add_", [X, X], "add"),
    ("aten::to", [X], "cast or copy"),
    ("Optimizer.step#SGD.step", [], "optimizer"),
    ("aten::nll_loss", [X], "other"),
    ("add", [X], "other"),
]


@pytest.mark.parametrize(("name", "shapes", "kind"), CASES)
def test_the_kind_of_an_operation(name: str, shapes: list[tuple[int, ...]], kind: str) -> None:
    assert len(CASES) == 14
    assert kind_of(Operation(name, shapes, 1.0)) == kind


def test_an_operation_within_another_belongs_to_the_outermost_one_and_the_kinds_add_up() -> None:
    wrapper = Operation("autograd::engine::evaluate_function: ConvolutionBackward0", [], 0.5)
    convolution = Operation("aten::convolution_backward", [X, X, (8, 8, 1, 1)], 4.0, wrapper)
    copied = Operation("aten::copy_", [X], 1.0, convolution)
    step = Operation("Optimizer.step#SGD.step", [], 0.25, None)
    added = Operation("aten::add_", [X], 2.0, step)
    alone = Operation("aten::copy_", [X], 8.0, None)
    found = times_by_kind([wrapper, convolution, copied, step, added, alone], 20.0)
    assert found == {"1x1": 5.0, "optimizer": 2.25, "cast or copy": 8.0, "other": 0.5, BETWEEN: 4.25}
    assert math.fsum(found.values()) == 20.0
    assert list(found) == [kind for kind in KINDS if kind in found]


def test_every_operation_of_a_real_step_has_its_kind() -> None:
    """What torch itself reports for a unit with each kind of layer, forward and backward."""
    network, x = Unit().train(), torch.randn(2, 4, 6, 6, requires_grad=True)
    steps = torch.optim.SGD(network.parameters(), lr=0.1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as seen:
        network(x).sum().backward()
        steps.step()
    found = operations(seen.events())
    of_kind = {kind: {one.name for one in found if kind_of(one) == kind} for kind in KINDS}
    for kind in ("1x1", "grouped"):
        assert {"aten::conv2d", "aten::convolution_backward"} <= of_kind[kind]
    assert not of_kind["other convolution"]
    assert "aten::batch_norm" in of_kind["norm"]
    assert {"aten::relu", "aten::threshold_backward"} <= of_kind["activation"]
    assert "aten::add" in of_kind["add"]
    assert any(name.startswith("Optimizer.step") for name in of_kind["optimizer"])
    assert not any("conv" in name.partition("::")[2] for name in of_kind["other"] if name.startswith("aten::"))
    assert not any("norm" in name.partition("::")[2] for name in of_kind["other"] if name.startswith("aten::"))
    by_kind = times_by_kind(found, 1e6)
    assert math.fsum(by_kind.values()) == pytest.approx(1e6)


def test_floors_by_hand() -> None:
    """Peaks of 1e9 operations and bytes a second; maps of 2 x 4 x 6 x 6 float32 numbers."""
    peaks, maps = Peaks({"float32": 1e9}, 1e9), 2 * 4 * 6 * 6
    assert map_values(Unit(), (2, 4, 6, 6)) == {"norm": maps, "activation": maps, "add": maps}
    grouped = max(4 * (2 * maps + 72), 2 * 18 * maps) / 1e6
    pointwise = max(4 * (2 * maps + 16), 2 * 4 * maps) / 1e6
    once = kind_floors(Unit(), (2, 4, 6, 6), peaks, "float32", training=False)
    assert once["grouped"] == pytest.approx(grouped)
    assert once["1x1"] == pytest.approx(pointwise)
    assert once["norm"] == once["activation"] == pytest.approx(4 * 2 * maps / 1e6)
    assert once["add"] == pytest.approx(4 * 3 * maps / 1e6)
    assert "optimizer" not in once
    step = kind_floors(Unit(), (2, 4, 6, 6), peaks, "float32", training=True)
    assert step["grouped"] == pytest.approx(2 * grouped)  # the pictures need no gradient
    assert step["1x1"] == pytest.approx(3 * pointwise)
    assert step["norm"] == pytest.approx(4 * 5 * maps / 1e6)
    weights = 72 + 8 + 16 + 40 + 10
    assert step["optimizer"] == pytest.approx(4 * 5 * weights / 1e6)
    assert "cast or copy" not in step


def test_the_table_and_the_section_have_every_kind() -> None:
    kinds = {"1x1": 6.0, "norm": 3.0, BETWEEN: 1.0}
    layers = LayerTimes(Work("training", "float32", 4, 1), "cardinet", 9.5, 10.0, kinds, {"1x1": 2.0, "norm": 3.0})
    rows = list(layer_cells(layers))
    assert rows[0] == ("1x1", "6", "60.0 %", "2", "3")
    assert rows[-1] == ("all", "10", "100 %", "5", "")
    assert [row[0] for row in rows] == ["1x1", "norm", BETWEEN, "all"]
    assert all(len(row) == len(LAYER_COLUMNS) for row in rows)
    assert sum(row["share"] for row in layers.to_document()["kinds"]) == pytest.approx(1.0)
    assert "9.5 ms" in layer_section(layers).text[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"measures": ("start",)}, "--layers looks at inference and training"),
        ({"device": "cuda"}, "--layers looks at the CPU, and the device is cuda"),
    ],
)
def test_layers_of_what_has_none_are_refused(words: dict[str, object], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        Request(model="resnet18", layers=True, **words).check()  # type: ignore[arg-type]


@pytest.mark.long
def test_the_layers_of_a_network_in_its_process(tmp_path: Path) -> None:
    asked = resolve(Request(model="resnet20_cifar", against=("none",), batch_sizes=("2",), threads=1))
    works = [Work(measure, "float32", 2, 1) for measure in ("inference", "training")]
    subject = subject_in(tmp_path, asked, works)
    for work in works:
        found = layer_times(contenders()["cardinet"], subject, work, {})
        assert math.fsum(found.kinds.values()) == pytest.approx(found.profiled)
        assert {"other convolution", "norm", "activation", "add", "linear"} <= set(found.kinds)
        assert ("optimizer" in found.kinds) == (work.measure == "training")
        assert "grouped" not in found.kinds
