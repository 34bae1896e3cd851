"""Exports as a whole: the file, what it says of itself, its proof, and what is refused."""

from __future__ import annotations

import copy
import json
import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from breadth import breadth
from cardinet.base.errors import RequestError, WorkError
from cardinet.data.source import Source
from cardinet.export import job, runner
from cardinet.export.graph import graph_of
from cardinet.export.job import export_model
from cardinet.export.metadata import describe
from cardinet.export.request import Request
from cardinet.export.runner import open_exported
from cardinet.measure.memory import network_bytes
from cardinet.runs.model_file import Model
from cardinet.runs.temperature import at_temperature
from cardinet.runtimes.formats import FORMATS, quantized_formats
from cardinet.runtimes.formats.openvino import has_bf16, write_openvino
from cardinet.runtimes.formats.torch_export import ProgramRunner
from cardinet.runtimes.libraries import library
from export.exported import Broken, pixels, relative_difference
from measure.machine import with_memory

pytestmark = pytest.mark.usefixtures("short")

ODD = ("été", "日本🐈", 'a "b"', "c,d", "<e>&", "f\\g", "", " h", "i\nj", "caf\udce9")
PLACES = [str(Path(module.__file__ or "").parent).encode() for module in (torch, job)]
FLOATS = ("float32", "bfloat16") if has_bf16() else ("float32",)


def asked(format: str, folder: Path, **more: Any) -> Request:
    return Request(format=format, out=folder / f"a{FORMATS[format].suffix}", threads=1, **more)


def files(folder: Path) -> list[str]:
    """Everything in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("format", breadth(FORMATS, "openvino"))
def test_a_float_file_is_the_network(format: str, model: Model, digits: Source, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    model.network.train()
    made = export_model(model, asked(format, tmp_path), digits)
    assert model.network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.network.state_dict().items())
    model.network.eval()

    assert files(tmp_path) == (["a.bin", "a.xml"] if format == "openvino" else [f"a{FORMATS[format].suffix}"])
    parity = made.parity["float32"]
    assert (parity.count, parity.differing, parity.finite) == (360, 0, True)
    assert parity.relative < 1e-5
    assert parity.wrong_before == parity.wrong_after
    assert tuple(made.parity) == (FLOATS if format == "openvino" else FLOATS[:1])
    assert made.sizes["float32"] == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert [(latency.batch, latency.rounds) for latency in made.latency] == [(1, 2), (8, 2)]
    assert set(made.latency[0].median) == {"torch", *made.parity}

    document = json.loads(json.dumps(made.to_document()))
    assert document["pictures"] == {"source": "digits", "split": "test", "total": 360}
    assert parity.wrong_after is not None
    assert document["parity"]["float32"]["error_after"] == parity.wrong_after / 360
    assert document["files"][0] == str(tmp_path / f"a{FORMATS[format].suffix}")


@pytest.mark.parametrize("format", breadth(FORMATS, "openvino"))
def test_the_logits_of_a_file_are_at_the_temperature_of_the_model(
    format: str, model: Model, digits: Source, tmp_path: Path
) -> None:
    warm = at_temperature(model, 2.5)
    made = export_model(warm, asked(format, tmp_path), digits)
    assert made.parity["float32"].wrong_before == made.parity["float32"].wrong_after
    runner = open_exported(made.request.out)
    x = model.preprocessing.normalise(pixels(model, 5))
    with torch.inference_mode():
        expected = (model.network(x) / 2.5).softmax(1)
    assert torch.from_numpy(runner.logits(x.contiguous().numpy())).softmax(1) == pytest.approx(expected, abs=1e-6)
    assert describe(warm, False)["temperature"] == "2.5"
    assert made.to_document()["temperature"] == 2.5


def test_a_file_without_the_temperature_is_not_the_network(
    model: Model, digits: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cardinet.export.file_maker.graph_of", lambda warm, raw: graph_of(model, raw))
    with pytest.raises(WorkError, match="Its logits differ by up to"):
        export_model(at_temperature(model, 2.5), asked("torch-export", tmp_path), digits)
    assert files(tmp_path) == []


EXPORTS = [(name, int8) for name, format in FORMATS.items() for int8 in ((False, True) if format.int8 else (False,))]


def test_what_an_export_takes_is_known_of_each_kind() -> None:
    assert (list(FORMATS), quantized_formats()) == (["onnx", "torch-export", "openvino"], ("onnx", "openvino"))
    assert len(EXPORTS) == 5


@pytest.mark.parametrize(("format", "int8"), EXPORTS)
def test_an_export_that_does_not_fit_is_refused_before_it_begins(
    format: str, int8: bool, model: Model, digits: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = FORMATS[format].int8 if int8 else FORMATS[format]
    assert kind is not None
    copies = kind.copies
    with_memory(monkeypatch, tmp_path / "machine", copies * network_bytes(model.network))
    monkeypatch.setattr(job, "Maker", lambda *about: pytest.fail("it began"))
    with pytest.raises(RequestError, match=r"^The export, with batches of 64 pictures of 8 x 8 pixels, needs about 0"):
        export_model(model, asked(format, tmp_path, int8=int8), digits)
    assert files(tmp_path) == ["machine"]


@pytest.mark.parametrize("format", breadth(FORMATS, "onnx"))
def test_a_file_takes_uint8_pictures_and_describes_itself(format: str, model: Model, tmp_path: Path) -> None:
    model = replace(model, classes=ODD)
    made = export_model(model, asked(format, tmp_path, with_preprocessing=True))
    assert (made.dtype, made.source, made.split, made.total) == ("uint8", None, None, 64)
    assert made.parity["float32"].wrong_before is None
    opened = open_exported(made.request.out)
    assert opened.about.classes == ODD  # the last one is what a folder named in Latin-1 is called
    assert opened.about.preprocessing == model.preprocessing
    assert opened.about.dtype == "uint8"
    assert opened.about.input.shape == ("batch", 1, 8, 8)
    assert opened.about.input.channels == "grey"
    for count in (1, 3, 8):
        x = pixels(model, count)
        normalised = model.preprocessing.normalise(x).numpy()
        with torch.no_grad():
            expected = model.network(torch.from_numpy(normalised)).numpy()
        assert np.abs(opened.logits(x.numpy()) - expected).max() <= 1e-5 * np.abs(expected).max()
    for path in made.request.files:  # nothing of this machine stands in them
        assert not any(place in path.read_bytes() for place in PLACES)


@pytest.mark.parametrize("opset", breadth([21, 25], 21))
def test_opsets(opset: int, model: Model, tmp_path: Path) -> None:
    made = export_model(model, asked("onnx", tmp_path, opset=opset))
    found = onnx.load(made.request.out)
    assert [(entry.domain, entry.version) for entry in found.opset_import] == [("", opset)]
    assert found.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda logits: np.roll(logits, 1, axis=1), r"360 of 360 predictions differ .* at most 1 may\. 0 of them are"),
        (lambda logits: logits * np.float32(1.01), r"Its logits differ by up to 1\.0e-02 of the largest one"),
        (lambda logits: logits * np.float32(np.nan), r"not finite"),
    ],
    ids=["other classes", "other logits", "no numbers"],
)
def test_a_broken_file_is_not_written(
    change: Any, reason: str, model: Model, digits: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "open_exported", lambda path, **more: Broken(open_exported(path, **more), change))
    with pytest.raises(WorkError, match=reason) as caught:
        export_model(model, asked("torch-export", tmp_path), digits)
    assert "a.pt2 was not written" in caught.value.findings[0]
    assert files(tmp_path) == []


def test_a_network_of_no_numbers_is_not_the_files_fault(model: Model, digits: Source, tmp_path: Path) -> None:
    network = copy.deepcopy(model.network)
    with torch.no_grad():
        network.get_parameter("fc.bias")[3] = float("nan")
    with pytest.raises(
        WorkError, match=r"The logits of the network itself are not finite, first for .+: the model is damaged"
    ):
        export_model(replace(model, network=network), asked("torch-export", tmp_path), digits)
    assert files(tmp_path) == []


@contextmanager
def full_disk() -> Iterator[None]:
    """Within it no file grows beyond 50 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_a_sentence(model: Model, tmp_path: Path) -> None:
    with full_disk(), pytest.raises(WorkError, match=r"a\.pt2 could not be written: File too large\."):
        export_model(model, asked("torch-export", tmp_path))
    assert files(tmp_path) == []


def test_a_full_disk_is_an_os_error_of_openvino_too(tmp_path: Path) -> None:
    operators = library("openvino").opset13
    x, weight = operators.parameter([2, 300], np.float32), operators.constant(np.ones((300, 300), np.float32))
    made = library("openvino").Model([operators.matmul(x, weight, False, False)], [x], "a")
    with full_disk(), pytest.raises(OSError, match="the disk is full"):
        write_openvino(made, {}, tmp_path / "a.xml")


def test_what_a_file_says_of_itself_is_compared(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(model, classes=model.classes[::-1])
    monkeypatch.setattr("cardinet.export.file_maker.describe", lambda model, raw: describe(other, not raw))
    with pytest.raises(WorkError, match="metadata has other class names and type of input than the model"):
        export_model(model, asked("torch-export", tmp_path), None)
    assert files(tmp_path) == []


@pytest.mark.long
def test_what_fails_on_the_way_leaves_nothing(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "compare", stopped)
    with pytest.raises(KeyboardInterrupt):
        export_model(model, asked("openvino", tmp_path))
    assert files(tmp_path) == []


def test_files_of_others_are_refused(model: Model, tmp_path: Path) -> None:
    request = asked("onnx", tmp_path)
    export_model(model, request)
    other = onnx.load(request.out)
    del other.metadata_props[:]
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(WorkError, match=r"other\.onnx has no class names"):
        open_exported(tmp_path / "other.onnx")
    with pytest.raises(RequestError, match=r"suffixes are \.onnx, \.pt2, \.xml"):
        open_exported(tmp_path / "a.safetensors")
    with pytest.raises(RequestError, match="There is no file"):
        open_exported(tmp_path / "b.onnx")
    (tmp_path / "d.pt2").mkdir()
    with pytest.raises(RequestError, match=r"d\.pt2 is a folder; give a file"):
        open_exported(tmp_path / "d.pt2")
    for name in ("e.onnx", "e.pt2", "e.xml"):
        (tmp_path / name).write_text("hello")
    with pytest.raises(RequestError, match=r"e\.xml has its weights in e\.bin, which is missing; put it"):
        open_exported(tmp_path / "e.xml")
    (tmp_path / "e.bin").touch()
    with zipfile.ZipFile(tmp_path / "f.pt2", "w") as archive:
        archive.writestr("a", "b")
    for name, reason in (
        ("e.onnx", r"opened by its runtime \(.*parsing failed\)"),
        ("e.pt2", "is not a program of torch.export"),
        ("f.pt2", "opened by its runtime"),
        ("e.xml", r"opened by its runtime \(Unable to read the model"),
    ):
        with pytest.raises(WorkError, match=reason):
            open_exported(tmp_path / name)
    with pytest.raises(RequestError, match=r"a\.onnx exists"):
        export_model(model, request)


def test_dropout_is_gone(model: Model, tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(64, 10)).train()
    request = asked("torch-export", tmp_path)
    export_model(replace(model, network=network), request)
    opened = open_exported(request.out)
    x = model.preprocessing.normalise(pixels(model, 3))
    assert relative_difference(opened, network.eval(), x) < 1e-6
    assert isinstance(opened.loaded, ProgramRunner)
    nodes = opened.loaded.module.graph.nodes
    assert not [node for node in nodes if "dropout" in str(node.target)]
