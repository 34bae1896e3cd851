"""Export a model: translate, quantize, write temporary files, run them, and only then move them into place."""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.files import publish_files, temporary_folder_beside
from cardinet.base.output_paths import path_of
from cardinet.base.version import __version__
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds.datasets import source_text
from cardinet.data.source import Source
from cardinet.evaluate.opening import as_words
from cardinet.export import runner
from cardinet.export.file_maker import Files, Maker, Progress
from cardinet.export.latency import latencies
from cardinet.export.parity import Parity, compare
from cardinet.export.proof_pictures import Pictures, calibration_pictures, feed, proof_pictures
from cardinet.export.request import Request, check_request, resolve
from cardinet.export.result import Export
from cardinet.runs.model_file import Model
from cardinet.runtimes.formats import format_named, format_of, suffixes
from cardinet.runtimes.libraries import library

if TYPE_CHECKING:
    from cardinet.data.kinds.datasets import Given

SECONDS = 3.0
"""The time for measuring the latencies of one batch size."""


def export_model(
    model: Model, request: Request, source: Source | None = None, progress: Progress | None = None
) -> Export:
    """Write a model in another format, run the file on pictures of the source, and compare it with the network.

    Without a source the pictures are random. They show that the function is the same, but nothing of the error. Raises
    RequestError as `check_request` does. Raises WorkError, and writes nothing, if a float file predicts another class
    for more than max(1, 0.1 %) of the pictures, or if the error of an int8 file is more than 0.5 points higher.
    """
    check_request(model, source, request)
    said: Progress = progress or (lambda what, done, total: None)
    threads = request.threads or torch.get_num_threads()
    dtype = "uint8" if request.with_preprocessing else "float32"
    pictures = proof_pictures(source, model.preprocessing, request.pictures, request.workers)
    calibration = _calibration(source, model, request, said)
    with temporary_folder_beside(request.out) as folder, _threads(threads):
        maker = Maker(model, request, folder, threads, said)
        network = runner.TorchRunner(copy.deepcopy(model.network).to("cpu"), model.preprocessing)

        def proven(files: Files) -> dict[str, Parity]:
            return compare(
                network, files, pictures, model.classes, dtype, _step(said, "running the file"), model.thresholds
            )

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
        temperature=model.temperature,
    )


def export_file(
    model: Model | str | Path, path: str | Path, *, data: Source | Given | None = None, **how: Any
) -> Export:
    """Write a model, or that of a run folder or model file, in the format of the path's suffix.

    The suffixes are .onnx, .xml of OpenVINO and .pt2 of torch.export. `data`, an opened source, its text or a data set
    of (picture, label), has the pictures for the proof. `how` are arguments of `Request`, such as `int8=True`, and
    settings of the pictures, such as `on_bad_image="skip"`. Raises as `export_model`, and RequestError for another
    suffix.
    """
    out = path_of(path)
    format = format_of(out)
    if "format" not in how and format is None:
        raise RequestError(f"{path}: the suffix gives the format of the file; use one of {suffixes()}.")
    words = as_words({key: how.pop(key) for key in [*how] if key in DataSettings.model_fields})
    if unknown := sorted(how.keys() - {field.name for field in fields(Request)}):
        known = ", ".join(field.name for field in fields(Request) if field.name != "out")
        raise RequestError(f'An export has no option "{unknown[0]}"; it has {known}.')
    request = Request(**{"format": format.name if format else None, **how, "out": out})
    found = resolve(request, model, data if data is None or isinstance(data, Source) else source_text(data), words)
    return export_model(found.model, request, found.source)


def _calibration(
    source: Source | None, model: Model, request: Request, progress: Progress
) -> tuple[Pictures, Pictures] | None:
    """The pictures for an int8 file. They are decoded before any work, so that a damaged one is found at once."""
    if source is None or not request.int8:
        return None
    progress("decoding pictures to calibrate on", 0, 1)
    calibration, tuning = calibration_pictures(source, model.preprocessing, request.workers)
    return calibration.held(), tuning.held()


def _judge(request: Request, problems: tuple[str, ...], *advice: str) -> None:
    """Raise WorkError with the problems of a file, if there are any, and with advice."""
    if problems:
        first = f"{request.out} was not written: the exported file does not match the network."
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
    """The versions that the libraries report themselves, as their packages have several names."""
    names = format_named(request.format).needs(request.int8)
    found = {name: str(getattr(library(name), "__version__", "unknown")) for name in names}
    own = {"cardinet": __version__, "torch": str(torch.__version__)}
    return {"python": platform.python_version(), **own, **found}
