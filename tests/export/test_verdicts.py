"""When a file is good: the limits of the proof, requests, libraries, and how latencies are taken."""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.source import Source
from cardinet.export import job
from cardinet.export.latency import latencies
from cardinet.export.metadata import describe
from cardinet.export.parity import Disagreement, Parity, compare
from cardinet.export.proof_pictures import Pictures, calibration_pictures
from cardinet.export.request import Request, check_request
from cardinet.export.result import Export
from cardinet.export.summary import sentences
from cardinet.runs.model_file import Model
from cardinet.runtimes.formats.onnx import check_opset
from cardinet.runtimes.libraries import isolated, library


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
    assert not parity(1000, relative=2e-3).float_problems(lambda: 3e-4)  # a thousand layers round more
    assert "rounding explains at most 2e-03" in parity(1000, relative=3e-3).float_problems(lambda: 2e-4)[0]
    assert parity(1000, relative=float("inf")).float_problems()
    assert not parity(1000, differing=400, growth=5, relative=0.9).int8_problems()
    assert "from 10.00 % to 10.60 % on 1,000 pictures" in parity(1000, growth=6).int8_problems()[0]
    assert "name more pictures" not in parity(1000, growth=6).after_int8("onnx")
    assert "name more pictures as data" in parity(199, growth=1).after_int8("openvino")
    assert "try the format onnx" in parity(199, growth=1).after_int8("openvino")


class Says:
    """A runner that gives the same logits for a picture in whatever batch, unless `change` says otherwise."""

    def __init__(self, rows: Any, change: Any = None) -> None:
        self.rows, self.change = np.array(rows, np.float32), change or (lambda logits: logits)

    def logits(self, pixels: Any) -> Any:
        return self.change(np.resize(self.rows, (len(pixels), self.rows.shape[1])))


def fixed(logits: Any) -> Any:
    """As a file does whose batch is not dynamic."""
    if len(logits) != 5:
        raise RuntimeError("Exception from core.cpp:84:\nGot 1, expected 5.")
    return logits


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (fixed, r"The float32 file fails in its runtime for 1 picture at once \(Got 1, expected 5\)\."),
        (lambda logits: logits[:, 0], r"gives logits of shape \(5,\) for 5 pictures at once, instead of \(5, 2\)\."),
        (
            lambda logits: logits if len(logits) > 1 else logits[0],
            r"of shape \(2,\) for 1 picture at once, instead of",
        ),
    ],
    ids=["a fixed batch", "another shape", "another shape for one"],
)
def test_a_file_has_to_take_any_number_of_pictures(change: Any, sentence: str, model: Model) -> None:
    rows, five = [[1.0, 0.0]], Pictures(None, model.preprocessing, 5, 5)
    with pytest.raises(WorkError, match=sentence):
        compare(Says(rows), {"float32": Says(rows, change)}, five, ("cat", "dog"), "float32")


def test_logits_may_not_depend_on_the_other_pictures(model: Model) -> None:
    rows, five = [[1.0, 0.0]], Pictures(None, model.preprocessing, 5, 5)

    def found(step: float) -> Parity:
        uneven = Says(rows, lambda logits: logits * np.float32(1 + step if len(logits) == 3 else 1))
        return compare(Says(rows), {"file": uneven}, five, ("cat", "dog"), "float32")["file"]

    assert not found(1e-4).float_problems()
    assert "depend on the batch size, by up to 1.0e-02 of the" in found(0.01).float_problems()[0]
    assert not found(0.01).int8_problems()
    assert "depend on the batch size" in found(0.5).int8_problems()[0]
    assert not found(float("nan")).finite


def test_a_network_without_numbers_is_named(model: Model) -> None:
    five = Pictures(None, model.preprocessing, 5, 5)
    rows = [[1.0, 0.0], [1.0, float("inf")]]
    with pytest.raises(WorkError, match="logits of the network itself are not finite, first for random picture 1"):
        compare(Says(rows), {"float32": Says(rows)}, five, ("cat", "dog"), "float32")


def test_near_ties_are_those_of_the_network(model: Model) -> None:
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
        ("onnx", False, ["onnxscript"], "The format onnx needs onnxscript, which is not installed"),
        (
            "openvino",
            True,
            ["openvino", "nncf"],
            "The format openvino with int8 needs openvino and nncf, which are",
        ),
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


def test_a_library_that_is_there_but_broken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_library.py").write_text("import a_part_that_is_missing")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RequestError, match=r"broken_library is installed but cannot be imported \(No module named 'a_"):
        library("broken_library")


def test_versions_are_those_of_the_imported_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the package is called that brought them: onnxruntime-gpu, openvino-nightly."""
    modules = {"onnx": SimpleNamespace(__version__="1"), "onnxscript": SimpleNamespace(__version__="2")}
    monkeypatch.setattr(job, "library", lambda name: modules.get(name, object()))
    found = job._versions(Request(format="onnx", out=tmp_path / "a.onnx"))
    assert {"onnx": "1", "onnxscript": "2", "onnxruntime": "unknown"}.items() <= found.items()
    assert found["torch"] == torch.__version__


def test_an_opset_that_was_not_reached_is_found() -> None:
    model = SimpleNamespace(opset_import=[SimpleNamespace(domain="", version=18)])
    check_opset(model, 18)
    check_opset(model, None)
    with pytest.raises(WorkError, match="opset = 21 could not be written: the exporter wrote opset 18"):
        check_opset(model, 21)


def test_places_that_cannot_be_asked_for_are_found_with_all_else(tmp_path: Path) -> None:
    for out in (tmp_path / ("x" * 300 + ".onnx"), tmp_path / ("x" * 300) / "a.onnx"):
        with pytest.raises(RequestError) as caught:
            Request(format="onnx", out=out, pictures=0).check()
        assert len(caught.value.findings) == 2
        assert caught.value.findings[1].endswith("cannot be written: File name too long; name another.")
    (tmp_path / "a.onnx").symlink_to("nowhere")
    with pytest.raises(RequestError, match=r"a\.onnx exists"):
        Request(format="onnx", out=tmp_path / "a.onnx").check()


def test_the_summary_in_a_file_has_no_paths_and_is_json(model: Model) -> None:
    before = {"data": "imagenet:/home/alice/secret", "classes": ["a/b"], "losses": [float("inf"), 1.0]}
    training = {"data": "/home/alice/cats", "recipe": "/home/alice/mine.toml", "loss": float("nan"), "before": before}
    described = describe(replace(model, training=training, classes=("caf\udce9",)), with_preprocessing=False)
    assert all(text.isascii() for text in described.values())
    written = described["training"]
    assert json.loads(written, parse_constant=pytest.fail) == {
        "data": "cats",
        "recipe": "mine.toml",
        "loss": None,
        "before": {"data": "secret", "classes": ["a/b"], "losses": [None, 1.0]},
    }


@pytest.mark.parametrize("splits", ["test", "validation"])
def test_accuracy_control_watches_pictures_that_the_network_has_not_learnt(
    splits: str, model: Model, digits: Source
) -> None:
    source = digits
    if splits == "validation":
        source = replace(digits, splits={k: v for k, v in digits.splits.items() if k != "test"})
    calibration, tuning = calibration_pictures(source, model.preprocessing)
    assert calibration.split is not None
    assert tuning.split is not None
    assert calibration.split.name == "train"
    assert tuning.split.name == ("validation" if splits == "test" else "train")
    held = tuning.held()
    assert held.pixels is not None
    assert [len(batch) for batch in held.batches(100)] == [len(batch) for batch in tuning.batches(100)]
    assert np.array_equal(held.pixels, np.concatenate(list(tuning.batches(7))))


def test_too_few_pictures_to_calibrate_are_a_wrong_request(model: Model, digits: Source, tmp_path: Path) -> None:
    one = replace(digits, splits={**digits.splits, "train": digits.splits["train"].chosen(np.arange(1))})
    with pytest.raises(RequestError, match="digits has 1 training pictures; calibration needs at least 2"):
        check_request(model, one, Request(format="onnx", int8=True, out=tmp_path / "a.onnx"))


def test_what_the_figures_do_not_show_is_said(model: Model, tmp_path: Path) -> None:
    def said(count: int, growth: int, int8: bool = True) -> str:
        found = {"float32": parity(count), "int8": parity(count), "int8+bfloat16": parity(count, growth=growth)}
        made = Export(
            Request(format="openvino", int8=int8, out=tmp_path / "a.xml"),
            "float32", "digits", "test", count, False, found if int8 else {"float32": parity(count)}, {}, (), 1, {},
        )  # fmt: skip
        return "\n".join(sentences(made, model))

    assert "199 pictures cannot measure half a point: one is 0.5" in said(199, 0)
    assert "cannot measure" not in said(200, 0)
    assert "cannot measure" not in said(10, 0, int8=False)
    assert "bfloat16 on this CPU" not in said(200, 1)
    assert "for layers that are not quantized, which costs too much: The error grows from 50.00 % to 51.00 %" in said(
        200, 2
    )


def test_a_weights_file_in_the_way_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.bin").touch()
    with pytest.raises(RequestError, match=r"a\.bin exists"):
        Request(format="openvino", out=tmp_path / "a.xml").check()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_found(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(RequestError, match="cannot be written: Permission denied"):
        Request(format="onnx", out=tmp_path / "a.onnx").check()


def test_libraries_are_imported_without_their_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "openvino_telemetry", raising=False)
    with isolated(), pytest.raises(ImportError):
        importlib.import_module("openvino_telemetry")
    assert "openvino_telemetry" not in sys.modules
