"""An export as a job: translate, quantize, write beside, run what was written, and only then give it its name."""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.files import publish_files, temporary_folder_beside
from cardinet.base.output_paths import path_of
from cardinet.base.version import __version__
from cardinet.data.source import Source
from cardinet.export import runner
from cardinet.export.extras import library
from cardinet.export.files import Files, Maker, Progress
from cardinet.export.formats import format_named, format_of, suffixes
from cardinet.export.latency import latencies
from cardinet.export.parity import Parity, compare
from cardinet.export.pictures import Pictures, calibrating, feed, proving
from cardinet.export.request import Request, check_request, resolve
from cardinet.export.result import Export
from cardinet.runs.model_file import Model

SECONDS = 3.0
"""For the latencies of a batch size."""


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
        maker = Maker(model, request, folder, threads, said)
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
    format = format_of(out)
    if "format" not in how and format is None:
        raise RequestError(f"{path}: the format of a file is known by its end: {suffixes()}.")
    if unknown := sorted(how.keys() - {field.name for field in fields(Request)}):
        known = ", ".join(field.name for field in fields(Request) if field.name != "out")
        raise RequestError(f'An export has no option "{unknown[0]}"; it has {known}.')
    request = Request(**{"format": format.name if format else None, **how, "out": out})
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
    names = format_named(request.format).needs(request.int8)
    found = {name: str(getattr(library(name), "__version__", "unknown")) for name in names}
    own = {"cardinet": __version__, "torch": str(torch.__version__)}
    return {"python": platform.python_version(), **own, **found}
