"""An export as a job: translate, quantize, write beside, run what was written, and only then give it its name."""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.base.files import beside, publish_files
from cardinet.data.source import Source
from cardinet.evaluate.matching import check_classes
from cardinet.export import openvino_file, runner
from cardinet.export.about import describe
from cardinet.export.extras import NEEDED
from cardinet.export.graph import graph_of
from cardinet.export.latency import Latency, latencies
from cardinet.export.onnx_file import translate, write_onnx
from cardinet.export.parity import Parity, compare
from cardinet.export.pictures import calibrating, feed, proving
from cardinet.export.program_file import write_program
from cardinet.export.quantize import quantized, quantized_with_control
from cardinet.export.request import SUFFIXES, Request
from cardinet.runs.model_file import Model

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""

Files = dict[str, runner.Runner]


@dataclass(frozen=True)
class Export:
    """A written file and its proof.

    `parity`, `sizes` (bytes) and the medians in `latency` are by contender: "float32" and "int8" are files,
    "bfloat16" and "int8+bfloat16" the same files as OpenVINO computes them by default, "torch" is the network itself.
    `split` is None where random pictures had to do. `accuracy_aware` says that layers were kept in float.
    """

    request: Request
    dtype: str
    source: str | None
    split: str | None
    total: int
    accuracy_aware: bool
    parity: Mapping[str, Parity]
    sizes: Mapping[str, int]
    latency: tuple[Latency, ...]
    threads: int
    versions: Mapping[str, str]

    @property
    def judged(self) -> str:
        """The contender that is the written file."""
        return "int8" if self.request.int8 else "float32"

    def to_document(self) -> dict[str, Any]:
        """Everything as plain data; errors and agreement are shares."""
        r = self.request
        return {
            "files": [str(path) for path in reversed(r.files)],
            "format": r.format,
            "int8": r.int8,
            "accuracy_aware": self.accuracy_aware,
            "input": self.dtype,
            "pictures": {"source": self.source, "split": self.split, "total": self.total},
            "judged": self.judged,
            "parity": {name: parity.to_document() for name, parity in self.parity.items()},
            "bytes": dict(self.sizes),
            "latency": [latency.to_document() for latency in self.latency],
            "threads": self.threads,
            "versions": dict(self.versions),
        }


def check_request(model: Model | None, source: Source | None, request: Request, *, pictures_known: bool = True) -> None:
    """Raise RequestError with everything that is wrong with a request, its model and its pictures together.

    What could not be opened is None; `pictures_known` is then False, and nothing is said of pictures.
    """
    findings = Findings()
    with findings:
        request.check()
    with findings:
        if request.int8 and source is None and pictures_known:
            raise RequestError(
                "--int8 calibrates on real training pictures; name them with --data (only a run folder knows its own)."
            )
    with findings:
        if model is not None and source is not None:
            check_classes(model, source)
    findings.raise_if_any()


def export_model(
    model: Model, request: Request, source: Source | None = None, progress: Progress | None = None
) -> Export:
    """Write a model in another format, run the file over pictures of the source, and say how it compares.

    Without a source the pictures are random, which shows that the file is the same function and nothing of its error.
    Raises RequestError as `check_request`, and WorkError, with nothing written, where a float file predicts another
    class for more than max(1, 0.1 %) of the pictures or an int8 file's error grows by more than 0.5 points.
    """
    check_request(model, source, request)
    said: Progress = progress or (lambda what, done, total: None)
    threads = request.threads or torch.get_num_threads()
    dtype = "uint8" if request.with_preprocessing else "float32"
    pictures = proving(source, model.preprocessing, request.pictures, request.workers)
    with beside(request.out) as folder, _threads(threads):
        maker = _Maker(model, request, source, folder, said)
        network = runner.TorchRunner(copy.deepcopy(model.network).to("cpu"), model.preprocessing)
        files, aware = maker.float_files(threads), False
        if request.int8:
            files |= maker.int8_files(threads)
        parity = compare(network, files, pictures, model.classes, dtype, _step(said, "running the file"))
        if request.int8 and parity["int8"].int8_problems():
            files |= maker.int8_files(threads, aware=True)
            parity = compare(network, files, pictures, model.classes, dtype, _step(said, "running the file"))
            aware = True
        _judge(parity, request)
        said("measuring latency", 0, 1)
        pixels = feed(next(iter(pictures.batches(8))), model.preprocessing, dtype)
        measured = latencies({"torch": network, **files}, pixels)
        sizes = maker.sizes()
        publish_files(dict(zip(maker.written("int8" if request.int8 else "float32"), request.files, strict=True)))
    return Export(
        request=request,
        dtype=dtype,
        source=None if source is None else source.text,
        split=None if pictures.split is None else pictures.split.name,
        total=pictures.total,
        accuracy_aware=aware,
        parity=parity,
        sizes=sizes,
        latency=measured,
        threads=threads,
        versions=_versions(request),
    )


class _Maker:
    """Makes the files of an export in a folder, and opens each in its runtime."""

    def __init__(self, model: Model, request: Request, source: Source | None, folder: Path, progress: Progress) -> None:
        self.model, self.request, self.source = model, request, source
        self.folder, self.progress = folder, progress
        self.about = describe(model, request.with_preprocessing)
        self.dtype = "uint8" if request.with_preprocessing else "float32"
        self.translated: Any = None

    def float_files(self, threads: int) -> Files:
        """Translate and write the float file; its runners by contender."""
        self.progress("translating", 0, 1)
        program = graph_of(self.model, self.request.with_preprocessing)
        if self.request.format == "torch-export":
            write_program(program, self.about, self._path("float32"))
        else:
            self.translated = self._translated(program)
            self._write("float32", self.translated)
        return self._opened("float32", threads)

    def int8_files(self, threads: int, aware: bool = False) -> Files:
        """Quantize what was translated and write it; its runners by contender."""
        assert self.source is not None
        calibration, tuning = calibrating(self.source, self.model.preprocessing, self.request.workers)
        self.progress("quantizing with accuracy control" if aware else "quantizing", 0, 1)
        if aware:
            made = quantized_with_control(self.translated, calibration, tuning, self.dtype)
        else:
            made = quantized(self.translated, calibration, self.dtype)
        self._write("int8", made)
        return self._opened("int8", threads)

    def written(self, name: str) -> tuple[Path, ...]:
        """The files of a contender, in the order of `Request.files`."""
        path = self._path(name)
        return (path.with_suffix(".bin"), path) if self.request.format == "openvino" else (path,)

    def sizes(self) -> dict[str, int]:
        """Bytes on disk by contender, and of the network's tensors."""
        tensors = sum(t.nbytes for t in self.model.network.state_dict().values())
        names = ("float32", "int8") if self.request.int8 else ("float32",)
        return {"torch": tensors, **{name: sum(p.stat().st_size for p in self.written(name)) for name in names}}

    def _translated(self, program: ExportedProgram) -> Any:
        onnx = translate(program, self.request.opset)
        return onnx if self.request.format == "onnx" else openvino_file.from_onnx(onnx)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIXES[self.request.format]}"

    def _write(self, name: str, made: Any) -> None:
        write = write_onnx if self.request.format == "onnx" else openvino_file.write_openvino
        write(made, self.about, self._path(name))

    def _opened(self, name: str, threads: int) -> Files:
        path = self._path(name)
        found: Files = {name: runner.open_exported(path, threads=threads)}
        if self.request.format == "openvino" and runner.has_bf16():
            half = "bfloat16" if name == "float32" else f"{name}+bfloat16"
            found[half] = runner.open_exported(path, threads=threads, precision="bf16")
        return found


def _judge(parity: Mapping[str, Parity], request: Request) -> None:
    """Raise WorkError where a file must not be called good."""
    problems = list(parity["float32"].float_problems())
    if request.int8:
        problems += parity["int8"].int8_problems()
    if problems:
        first = f"{request.out} was not written: what was made is not the network that it was made from."
        raise WorkError(first, *problems)


def _step(progress: Progress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(what, done, total)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _versions(request: Request) -> dict[str, str]:
    names = ("cardinet", "torch", *NEEDED[request.format], *(("nncf",) if request.int8 else ()))
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}
