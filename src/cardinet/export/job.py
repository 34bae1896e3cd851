"""An export as a job: translate, quantize, write beside, run what was written, and only then give it its name."""

from __future__ import annotations

import copy
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from cardinet.base.errors import Findings, RequestError, WorkError
from cardinet.base.files import publish_files, temporary_folder_beside
from cardinet.base.output_paths import path_of
from cardinet.base.version import __version__
from cardinet.data.source import Source
from cardinet.evaluate.matching import check_classes
from cardinet.evaluate.opening import AskedModel, AskedPictures, Opened, Parts, opened
from cardinet.export import openvino_file, runner
from cardinet.export.about import About, describe
from cardinet.export.extras import NEEDED, library
from cardinet.export.graph import graph_of
from cardinet.export.latency import Latency, latencies
from cardinet.export.memory import require_export
from cardinet.export.onnx_file import translate, write_onnx
from cardinet.export.parity import Parity, compare
from cardinet.export.pictures import Pictures, calibrating, feed, proving
from cardinet.export.program_file import write_program
from cardinet.export.quantize import quantized, quantized_with_control
from cardinet.export.request import SUFFIXES, Request
from cardinet.runs.model_file import Model

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""

Files = dict[str, runner.Runner]

SECONDS = 3.0
"""For the latencies of a batch size."""


@dataclass(frozen=True)
class Export:
    """A written file and its proof.

    `parity`, `sizes` (bytes) and the medians in `latency` are by contender: "float32" and "int8" are files,
    "bfloat16" and "int8+bfloat16" the same files as OpenVINO computes them by default, "torch" is the network itself.
    `split` is None where random pictures had to do. `accuracy_aware` says that the file was made
    with accuracy control, which can keep layers in float.
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
                "int8 calibrates on real training pictures; name them as data (--data); only a run knows its own."
            )
    with findings:
        if model is not None and source is not None:
            check_classes(model, source)
    held = 0
    with findings:
        if model is not None and source is not None and request.int8:
            held = sum(pictures.count for pictures in calibrating(source, model.preprocessing))
    with findings:
        if model is not None and str(request.format) in SUFFIXES:
            require_export(model, request, held)
    findings.raise_if_any()


def resolve(
    request: Request,
    model: Model | str | os.PathLike[str],
    data: Source | str | None = None,
    words: Sequence[str] = (),
    checking: Callable[[int, int], None] | None = None,
) -> Opened:
    """The model, and the pictures of `data` or its run's own that prove the file; there may be none.

    `words` say how they are read, as a user writes them ("limit=30"). Raises RequestError or WorkError with everything
    that is wrong.
    """
    wanted = AskedPictures(data=data, words=tuple(words), also=("train", "validation") if request.int8 else ())

    def check(parts: Parts) -> None:
        source = None if parts.pictures is None else parts.pictures.source
        check_request(parts.model, source, request, pictures_known=parts.looked)

    return opened(AskedModel(model=model), wanted, check_all=check, progress=checking)


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
    calibration = _calibration(source, model, request, said)
    with temporary_folder_beside(request.out) as folder, _threads(threads):
        maker = _Maker(model, request, folder, threads, said)
        network = runner.TorchRunner(copy.deepcopy(model.network).to("cpu"), model.preprocessing)

        def proven(files: Files) -> dict[str, Parity]:
            return compare(network, files, pictures, model.classes, dtype, _step(said, "running the file"))

        files, aware = maker.float_files(), False
        parity = proven(files)
        pixels = feed(next(iter(pictures.batches(8))), model.preprocessing, dtype)
        _judge(request, parity["float32"].float_problems(lambda: network.rounding(pixels)))
        if calibration is not None:
            made = maker.int8_files(*calibration)
            found = proven(made)
            if aware := bool(found["int8"].int8_problems()):
                made = maker.int8_files(*calibration, aware=True)
                found = proven(made)
            _judge(request, found["int8"].int8_problems(), found["int8"].after_int8(request.format))
            files, parity = files | made, parity | found
        said("measuring latency", 0, 1)
        measured = latencies({"torch": network, **files}, pixels, seconds=SECONDS, most=100)
        sizes, versions = maker.sizes(), _versions(request)
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
        versions=versions,
    )


def export_file(
    model: Model | str | Path, path: str | Path, *, data: Source | str | Path | None = None, **how: Any
) -> Export:
    """Write a model, or the one in a run folder or model file, in the format of the path's suffix.

    The suffixes are .onnx, .xml of OpenVINO and .pt2 of torch.export. `data`, an opened source or its text, holds the
    pictures that prove it; `how` is what `Request` takes, as `int8=True`. Raises as `export_model`, and RequestError
    for another suffix.
    """
    out = path_of(path)
    formats = {suffix: format for format, suffix in SUFFIXES.items()}
    if "format" not in how and out.suffix not in formats:
        raise RequestError(f"{path}: the format of a file is known by its end: {', '.join(formats)}.")
    if unknown := sorted(how.keys() - {field.name for field in fields(Request)}):
        known = ", ".join(field.name for field in fields(Request) if field.name != "out")
        raise RequestError(f'An export has no option "{unknown[0]}"; it has {known}.')
    request = Request(**{"format": formats.get(out.suffix), **how, "out": out})
    found = resolve(request, model, data if data is None or isinstance(data, Source) else str(data))
    return export_model(found.model, request, found.source)


def _calibration(
    source: Source | None, model: Model, request: Request, progress: Progress
) -> tuple[Pictures, Pictures] | None:
    """The pictures of an int8 file, decoded before any work, so that a damaged one is found at once."""
    if source is None or not request.int8:
        return None
    progress("decoding pictures to calibrate on", 0, 1)
    calibration, tuning = calibrating(source, model.preprocessing, request.workers)
    return calibration.held(), tuning.held()


class _Maker:
    """Makes the files of an export in a folder, and opens each in its runtime."""

    def __init__(self, model: Model, request: Request, folder: Path, threads: int, progress: Progress) -> None:
        self.model, self.request = model, request
        self.folder, self.threads, self.progress = folder, threads, progress
        self.about = describe(model, request.with_preprocessing)
        self.dtype = "uint8" if request.with_preprocessing else "float32"
        self.translated: Any = None

    def float_files(self) -> Files:
        """Translate and write the float file; its runners by contender."""
        self.progress("translating", 0, 1)
        program = graph_of(self.model, self.request.with_preprocessing)
        self.translated = program if self.request.format == "torch-export" else self._translated(program)
        self._write("float32", self.translated)
        return self._opened("float32")

    def int8_files(self, calibration: Pictures, tuning: Pictures, aware: bool = False) -> Files:
        """Quantize what was translated and write it; its runners by contender."""
        self.progress("quantizing with accuracy control" if aware else "quantizing", 0, 1)
        if aware:
            made = quantized_with_control(self.translated, calibration, tuning, self.dtype)
        else:
            made = quantized(self.translated, calibration, self.dtype)
        self._write("int8", made)
        return self._opened("int8")

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
        write = {"onnx": write_onnx, "openvino": openvino_file.write_openvino, "torch-export": write_program}
        try:
            write[self.request.format](made, self.about, self._path(name))
        except OSError as error:
            raise WorkError(f"{self.request.out} could not be written: {error.strerror or error}.") from error

    def _opened(self, name: str) -> Files:
        path = self._path(name)
        try:
            file = runner.open_exported(path, threads=self.threads)
        except WorkError as error:  # as of operators that are newer than the runtime
            raise WorkError(
                f"{self.request.out} was not written: its own runtime does not open it.", *error.findings
            ) from error
        self._check_about(file.about)
        found: Files = {name: file}
        if self.request.format == "openvino" and runner.has_bf16():
            half = "bfloat16" if name == "float32" else f"{name}+bfloat16"
            found[half] = runner.open_exported(path, threads=self.threads, precision="bf16")
        return found

    def _check_about(self, about: About) -> None:
        """Raise WorkError where a file does not say of itself what it is."""
        p = self.model.preprocessing
        pairs = {
            "class names": (about.classes, self.model.classes),
            "preprocessing": (about.preprocessing, p),
            "type of input": (about.dtype, self.dtype),
        }
        if wrong := [what for what, (written, right) in pairs.items() if written != right]:
            raise WorkError(
                f"{self.request.out} was not written: read again, its metadata has other {' and '.join(wrong)} than "
                "the model."
            )


def _judge(request: Request, problems: tuple[str, ...], *advice: str) -> None:
    """Raise WorkError where a file must not be called good, with what can be done then."""
    if problems:
        first = f"{request.out} was not written: what was made is not the network that it was made from."
        raise WorkError(first, *problems, *advice)


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
    """As the libraries say it, which come in packages of several names."""
    names = (*NEEDED[request.format], *(("nncf",) if request.int8 else ()))
    found = {name: str(getattr(library(name), "__version__", "unknown")) for name in names}
    own = {"cardinet": __version__, "torch": str(torch.__version__)}
    return {"python": platform.python_version(), **own, **found}
