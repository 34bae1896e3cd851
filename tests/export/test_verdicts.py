"""When a file is good: the limits of the proof, requests, libraries, and how latencies are taken."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardinet.base.errors import RequestError
from cardinet.export.extras import isolated
from cardinet.export.latency import latencies
from cardinet.export.parity import Disagreement, Parity, compare
from cardinet.export.pictures import Pictures
from cardinet.export.request import Request
from cardinet.runs.model_file import Model


def parity(count: int, differing: int = 0, *, relative: float = 1e-6, growth: int = 0, ties: int = 0) -> Parity:
    apart = tuple(Disagreement(f"{i}.png", "cat", "dog", 0.5, i < ties) for i in range(differing))
    return Parity(count, apart, relative, relative, True, 100, 100 + growth)


@pytest.mark.parametrize(
    ("count", "differing", "good"),
    [(64, 1, True), (64, 2, False), (1999, 2, False), (10_000, 10, True), (10_000, 11, False)],
)
def test_how_many_predictions_may_differ(count: int, differing: int, good: bool) -> None:
    found = parity(count, differing, ties=2).float_problems()
    assert (found == ()) == good
    if not good:
        assert f"{differing:,} of {count:,} predictions differ" in found[0]
        assert "2 of them are near-ties. 0.png: cat -> dog, margin 5.0e-01 (near-tie); 1.png" in found[0]


def test_how_much_logits_and_errors_may_differ() -> None:
    assert not parity(1000, relative=1e-3).float_problems()
    assert "2.0e-03 of the largest one" in parity(1000, relative=2e-3).float_problems()[0]
    assert parity(1000, relative=float("inf")).float_problems()
    assert not parity(1000, differing=400, growth=5, relative=0.9).int8_problems()
    assert "from 10.00 % to 10.60 % on 1,000 pictures" in parity(1000, growth=6).int8_problems()[0]


def test_near_ties_are_those_of_the_network(model: Model) -> None:
    class Says:
        def __init__(self, rows: list[list[float]]) -> None:
            self.rows = np.array(rows, np.float32)

        def logits(self, pixels: Any) -> Any:
            return self.rows[: len(pixels)]

    before = Says([[1.0, 0.9995, 0.0], [1.0, 0.5, 0.0], [0.0, 2.0, 1.0]])
    after = Says([[1.0, 1.0005, 0.0], [0.5, 1.0, 0.0], [0.0, 2.0, 1.0]])
    three = Pictures(None, model.preprocessing, 3, 3)
    found = compare(before, {"float32": after}, three, ("cat", "dog", "eel"), "float32")["float32"]
    assert [(d.picture, d.before, d.after, d.near_tie) for d in found.disagreements] == [
        ("random picture 0", "cat", "dog", True),
        ("random picture 1", "cat", "dog", False),
    ]
    assert (found.largest, found.relative, found.wrong_after) == (0.5, 0.25, None)
    document = found.to_document()
    assert [d["picture"] for d in document["near_ties"]] == ["random picture 0"]
    assert document["error_after"] is None


def test_contenders_alternate() -> None:
    calls = []

    class Counts:
        def __init__(self, name: str) -> None:
            self.name = name

        def logits(self, pixels: Any) -> Any:
            calls.append((self.name, len(pixels)))
            return pixels

    pixels = np.zeros((3, 1, 2, 2), np.float32)
    one, eight = latencies({n: Counts(n) for n in "ab"}, pixels, seconds=0.0, most=6)
    assert (one.batch, eight.batch, one.rounds) == (1, 8, 5)
    assert "".join(name for name, n in calls if n == 1) == "ab" + "aabb" + "bbaa" + "aabb" + "bbaa" + "aabb"
    assert len(calls) == 44
    assert one.ratio("a", "b") == pytest.approx(
        1 / one.ratios("b", "a")[sorted(range(5), key=one.ratios("b", "a").__getitem__)[2]]
    )


@pytest.mark.parametrize(
    ("format", "int8", "gone", "sentence"),
    [
        ("onnx", False, ["onnxscript"], "--format onnx needs onnxscript, which is not installed"),
        ("openvino", True, ["openvino", "nncf"], "--format openvino --int8 needs openvino and nncf, which are not"),
    ],
)
def test_a_missing_library_names_the_extra(
    format: str, int8: bool, gone: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in gone:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RequestError) as caught:
        Request(format=format, int8=int8, out=tmp_path / "no" / "a.txt").check()
    first, *others = caught.value.findings
    assert sentence in first
    assert first.endswith('pip install "cardinet[export]".')
    assert len(others) == 1  # the suffix


def test_torch_export_needs_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("onnx", "onnxscript", "onnxruntime", "openvino", "nncf"):
        monkeypatch.setitem(sys.modules, name, None)
    Request(format="torch-export", out=tmp_path / "a.pt2").check()


def test_a_weights_file_in_the_way_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.bin").touch()
    with pytest.raises(RequestError, match=r"a\.bin exists"):
        Request(format="openvino", out=tmp_path / "a.xml").check()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_found(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(RequestError, match="its folder is read-only"):
        Request(format="onnx", out=tmp_path / "a.onnx").check()


def test_libraries_are_imported_without_their_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    with isolated(), pytest.raises(ImportError):
        importlib.import_module("openvino_telemetry")
    assert "openvino_telemetry" not in sys.modules
