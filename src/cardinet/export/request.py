"""The request of an export, which is checked before any work starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cardinet.base.errors import Findings, RequestError
from cardinet.base.output_paths import check_new_file
from cardinet.base.whole_numbers import THREADS, WORKERS, require_whole
from cardinet.data.labelling import ONE
from cardinet.data.source import Source
from cardinet.evaluate.matching import check_classes
from cardinet.evaluate.opening import AskedModel, AskedPictures, Opened, OpenedSoFar, opened
from cardinet.export.memory_check import require_export
from cardinet.export.proof_pictures import calibration_pictures
from cardinet.runs.model_file import Model
from cardinet.runtimes.formats import FORMATS, format_named, quantized_formats
from cardinet.runtimes.formats.format import Format
from cardinet.runtimes.libraries import check_installed


@dataclass(frozen=True, kw_only=True)
class Request:
    """An export to `out` in a format of `FORMATS`; `opset` is ONNX's (None: 18).

    `with_preprocessing` puts scaling and normalisation into the graph, whose input is then uint8. The proof uses at
    most `pictures` pictures, spread evenly over their split. Every runtime gets `threads` threads (None: as torch).
    `workers` processes decode photographs.
    """

    format: str
    out: Path
    int8: bool = False
    opset: int | None = None
    with_preprocessing: bool = False
    pictures: int = 10_000
    threads: int | None = None
    workers: int = 0

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that will be written; the main one is the last."""
        return format_named(self.format).files(self.out)

    def check(self) -> None:
        """Raise RequestError with all faults of the request itself, without a model or pictures."""
        findings = Findings()
        format: Format | None = None
        with findings:
            format = format_named(self.format)
            check_installed(format, self.int8)
        with findings:
            if self.opset is not None:
                require_whole(1, opset=self.opset)
                (format or FORMATS["onnx"]).check_opset(self.opset)
        with findings:
            if self.int8 and format is not None and format.int8 is None:
                raise RequestError(
                    f"int8 is for the formats {' and '.join(quantized_formats())}, not for {self.format}; use one of "
                    "these."
                )
        with findings:
            require_whole(1, pictures=self.pictures)
        with findings:
            require_whole(0, WORKERS, workers=self.workers)
        with findings:
            if self.threads is not None:
                require_whole(1, THREADS, threads=self.threads)
        with findings:
            check_new_file(self.out) if format is None else format.check_out(self.out)
        findings.raise_if_any()


def check_request(model: Model | None, source: Source | None, request: Request, *, pictures_known: bool = True) -> None:
    """Raise RequestError with all faults of a request, its model and its pictures.

    Parts that could not be opened are None. If `pictures_known` is False, missing pictures are no fault.
    """
    findings = Findings()
    with findings:
        request.check()
    with findings:
        if request.int8 and source is None and pictures_known:
            raise RequestError(
                "int8 needs real training pictures to calibrate; give them as data (--data). Only a run knows its own."
            )
    with findings:
        if request.int8 and model is not None and model.labelling is not ONE:
            raise RequestError(
                "int8 is proven by the error of one label for each picture, and the model gives several; omit it."
            )
    with findings:
        if model is not None and source is not None:
            check_classes(model, source)
    held = 0
    with findings:
        if model is not None and source is not None and request.int8:
            held = sum(pictures.count for pictures in calibration_pictures(source, model.preprocessing))
    with findings:
        if model is not None and request.format in list(FORMATS):
            require_export(model, FORMATS[request.format], held, int8=request.int8)
    findings.raise_if_any()


def resolve(
    request: Request,
    model: Model | str | os.PathLike[str],
    data: Source | str | None = None,
    words: Sequence[str] = (),
    checking: Callable[[int, int], None] | None = None,
) -> Opened:
    """Open the model, and the pictures for the proof: those of `data` or of the model's run, if there are any.

    `words` are settings of the pictures ("limit=30"). Raises RequestError or WorkError with all faults.
    """
    wanted = AskedPictures(data=data, words=tuple(words), also=("train", "validation") if request.int8 else ())

    def check(parts: OpenedSoFar) -> None:
        source = None if parts.pictures is None else parts.pictures.source
        check_request(parts.model, source, request, pictures_known=parts.looked)

    return opened(AskedModel(model=model), wanted, check_all=check, progress=checking)
