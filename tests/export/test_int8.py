"""INT8: what is quantized, that the error holds, and that a file that loses more is refused."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from cardinet.base.errors import WorkError
from cardinet.data.source import Source
from cardinet.export import file_maker, proof_pictures, runner
from cardinet.export.job import export_model
from cardinet.export.metadata import describe, read_metadata
from cardinet.export.request import Request
from cardinet.export.runner import open_exported
from cardinet.runs.model_file import Model
from cardinet.runtimes.formats import FORMATS
from cardinet.runtimes.formats import onnx as onnx_format
from export.exported import Broken

pytestmark = [pytest.mark.usefixtures("short"), pytest.mark.long]


def asked(format: str, folder: Path, **more: Any) -> Request:
    return Request(format=format, out=folder / f"a{FORMATS[format].suffix}", int8=True, threads=1, **more)


@pytest.mark.parametrize(("format", "raw"), [("onnx", False), ("openvino", True)])
def test_the_error_holds(
    format: str,
    raw: bool,
    model: Model,
    digits: Source,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    made = export_model(model, asked(format, tmp_path, with_preprocessing=raw), digits)
    parity = made.parity["int8"]
    assert tuple(capsys.readouterr()) == ("", "")  # NNCF writes to stdout, where the document goes
    assert made.judged == "int8"
    assert not made.accuracy_aware
    assert parity.count == 360
    assert parity.growth is not None
    assert parity.growth <= 0.005
    assert 0 < parity.relative < 0.5  # it is really quantized
    assert made.sizes["int8"] < 0.7 * made.sizes["float32"]
    assert made.parity["float32"].relative < 1e-5
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in made.request.files)
    assert open_exported(made.request.out).about.classes == model.classes
    if format == "onnx":
        check_sums_and_grouped_convolutions(made.request.out)


def check_sums_and_grouped_convolutions(path: Path) -> None:
    """Both inputs of each are quantized, and the weights have one scale a channel."""
    graph = onnx.load(path).graph
    source = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    grouped = [node for node in convolutions if any(a.name == "group" and a.i > 1 for a in node.attribute)]
    sums = [node for node in graph.node if node.op_type == "Add" and all(name in source for name in node.input)]
    assert grouped
    assert sums
    for node in (*convolutions, *sums):
        assert [source[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in grouped:
        weight, scale = (tensors[name] for name in source[node.input[1]].input[:2])
        assert weight.dtype == np.int8
        assert scale.size == len(weight)


def test_a_file_that_loses_too_much_is_tried_with_control_and_refused(
    model: Model, digits: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worse(logits: Any) -> Any:
        changed = logits.copy()
        changed[::20] = np.roll(changed[::20], 1, axis=1)
        return changed

    def opened(path: Path, **more: Any) -> Any:
        found = open_exported(path, **more)
        return Broken(found, worse) if path.stem == "int8" else found

    tried: list[object] = []

    def with_control(made: object, *_: object) -> object:
        tried.append(made)
        return made

    monkeypatch.setattr(runner, "open_exported", opened)
    monkeypatch.setattr(file_maker, "quantize", lambda made, *_: made)
    monkeypatch.setattr(file_maker, "quantize_with_control", with_control)
    with pytest.raises(
        WorkError, match=r"The error grows from \d\.\d\d % to \d+\.\d\d % on 360 pictures, and at most 0\.5"
    ):
        export_model(model, asked("onnx", tmp_path), digits)
    assert len(tried) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_broken_translation_is_found_before_it_is_quantized(
    model: Model, digits: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Translated(runner.TorchRunner):
        def __init__(self, path: Path, **more: object) -> None:
            super().__init__(copy.deepcopy(model.network), model.preprocessing)
            self.about = read_metadata(describe(model, with_preprocessing=False), path)

        def logits(self, pixels: Any) -> Any:
            return -super().logits(pixels)

    monkeypatch.setattr(file_maker, "graph_of", lambda *_: None)
    monkeypatch.setattr(onnx_format, "translate", lambda *_: None)
    monkeypatch.setattr(onnx_format, "write_onnx", lambda *_: None)
    monkeypatch.setattr(runner, "open_exported", Translated)
    monkeypatch.setattr(file_maker, "quantize", pytest.fail)
    with pytest.raises(WorkError, match="360 of 360 predictions differ"):
        export_model(model, asked("onnx", tmp_path), digits)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_its_runtime_does_not_open_is_not_written(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_maker, "graph_of", lambda *_: None)
    monkeypatch.setattr(onnx_format, "translate", lambda *_: None)
    monkeypatch.setattr(onnx_format, "write_onnx", lambda made, about, path: path.write_text("hello"))
    with pytest.raises(WorkError, match=r"a\.onnx was not written: its runtime cannot open it\."):
        export_model(model, replace(asked("onnx", tmp_path), int8=False))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_picture_is_found_before_any_work(
    model: Model, digits: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object) -> None:
        raise WorkError("cut.jpg is damaged.")

    monkeypatch.setattr(proof_pictures.Pictures, "batches", damaged)
    monkeypatch.setattr(file_maker, "graph_of", pytest.fail)
    with pytest.raises(WorkError, match=r"cut\.jpg is damaged"):
        export_model(model, asked("onnx", tmp_path), digits)


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_with_control_the_layers_that_cost_most_stay_in_float(
    format: str, model: Model, digits: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One channel that is a thousand times as large as its neighbours leaves those no steps of the 8 bits."""
    monkeypatch.setattr(proof_pictures, "TUNING", 200)
    network = copy.deepcopy(model.network)
    unit: Any = network.get_submodule("layer1.0")
    with torch.no_grad():  # the same function, as ReLU passes a factor on
        for parameter in (unit.bn1.weight, unit.bn1.bias):
            parameter[0] *= 1000
        unit.conv2.weight[: unit.conv2.out_channels // unit.conv2.groups, 0] /= 1000
    made = export_model(replace(model, network=network), asked(format, tmp_path), digits)
    assert made.parity["float32"].differing == 0
    assert made.accuracy_aware
    assert made.parity["int8"].growth is not None
    assert made.parity["int8"].growth <= 0.005
    assert made.sizes["int8"] < made.sizes["float32"]


def test_calibration_and_proof_share_no_picture(model: Model, digits: Source) -> None:
    calibration, tuning = proof_pictures.calibration_pictures(digits, model.preprocessing)
    proof = proof_pictures.proof_pictures(digits, model.preprocessing, 100)
    assert (calibration.count, proof.count, proof.total) == (300, 100, 360)
    assert proof.split is not None
    assert proof.split.name == "test"
    names = [{one.name(i) for i in range(one.count)} for one in (calibration, tuning, proof)]
    assert [len(some) for some in names] == [calibration.count, tuning.count, proof.count]
    assert not names[0] & names[1]
    assert all(isinstance(batch, np.ndarray) and batch.dtype == np.uint8 for batch in proof.batches(64))
    assert sum(len(batch) for batch in proof.batches(64)) == 100
