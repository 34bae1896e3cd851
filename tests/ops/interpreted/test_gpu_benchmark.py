"""The benchmark of the GPU kernels: what it compares and writes, with a clock of the test's own."""

from __future__ import annotations

import argparse
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cardinet.ops import triton_grouped_conv
from cardinet.ops.gpu_choice import TABLE, Case, Form, Row, Table

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "gpu_kernels.py"


@pytest.fixture
def script() -> dict[str, Any]:
    """The benchmark's own names, for one small shape and two forms."""
    names = runpy.run_path(str(SCRIPT))
    work: dict[str, Any] = names["convolutions"].__globals__
    work["shapes_of"] = lambda network: [work["Shape"](32, 5, 6, 8, 2)]
    work["FORMS"] = (Form(pixels=32), Form(pixels=16, warps=8))
    return work


def by_convolutions(work: dict[str, Any]) -> tuple[list[Row], list[str]]:
    """The rows, by a clock that gives each call 1, 2, 3 ... ms."""
    ticks: list[float] = []

    def clock(call: Callable[[], object]) -> float:
        call()
        ticks.append(len(ticks) + 1.0)
        return ticks[-1]

    options = argparse.Namespace(networks="any", batches="1", dtypes="float32")
    measure = work["convolutions"]
    found: tuple[list[Row], list[str]] = measure(options, torch.device("cpu"), clock)
    return found


def test_rows_are_measured_and_replace_those_of_their_gpu(
    script: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, faults = by_convolutions(script)
    assert faults == []
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert [(row.own_ms, row.cudnn_ms) for row in rows] == [(1, 3), (4, 6), (7, 9)]
    other = rows[0].model_copy(update={"gpu": "another"})
    file = tmp_path / "table.json"
    file.write_text(Table(measured_with="before", rows=(rows[1], other)).model_dump_json())
    write = script["written"]
    table = write(rows, "now", file)
    assert table == Table.model_validate_json(file.read_bytes())
    assert table.rows == (other, *rows)
    assert table.measured_with == "before | now"
    assert table.faster()[Case("cpu", "forward", "float32", (1, 32, 5, 6), 8, 2)] == Form(pixels=32)


@pytest.mark.long
def test_wrong_values_are_said_and_not_timed(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = triton_grouped_conv.forward

    def wrong(*given: object) -> None:
        right(*given)  # type: ignore[arg-type]
        *_, form, y = given
        if form == Form(pixels=32):
            assert isinstance(y, torch.Tensor)
            y[0, 3, 1, 1] += y.abs().max() / 50

    monkeypatch.setattr(triton_grouped_conv, "forward", wrong)
    rows, faults = by_convolutions(script)
    assert [row.form.pixels for row in rows] == [16, 32, 32]
    assert len(faults) == 1
    assert "forward: Form(pixels=32" in " ".join(faults[0].split())
    assert "wrong by 0.0" in faults[0]


def test_without_a_gpu_it_ends_with_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["gpu_kernels.py", "--write"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = TABLE.read_bytes()
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 1
    assert capsys.readouterr().out.startswith("There is no GPU here")
    assert TABLE.read_bytes() == before


def test_the_shapes_are_those_of_the_network() -> None:
    shapes = [tuple(each) for each in runpy.run_path(str(SCRIPT))["shapes_of"]("resnext50_32x4d")]
    assert shapes == [
        (128, 56, 56, 32, 1), (256, 56, 56, 32, 2), (256, 28, 28, 32, 1), (512, 28, 28, 32, 2),
        (512, 14, 14, 32, 1), (1024, 14, 14, 32, 2), (1024, 7, 7, 32, 1),
    ]  # fmt: skip
