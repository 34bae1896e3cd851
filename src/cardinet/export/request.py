"""What is asked of an export, checked before any work starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.base.output_paths import check_new_file
from cardinet.base.whole_numbers import THREADS, WORKERS, require_whole
from cardinet.export.extras import check_installed

Format = Literal["onnx", "torch-export", "openvino"]

SUFFIXES: dict[str, str] = {"onnx": ".onnx", "torch-export": ".pt2", "openvino": ".xml"}

OPSETS = range(18, 26)
"""18 is what torch's exporter writes without a conversion of versions; from 26 on the conversion is not complete."""

QUANTIZED: tuple[str, ...] = ("onnx", "openvino")


@dataclass(frozen=True, kw_only=True)
class Request:
    """An export to `out` in a format of `Format`; `opset` is ONNX's (None: 18).

    `with_preprocessing` puts scaling and normalisation into the graph, whose input is then uint8. At most `pictures`
    pictures prove the file, spread evenly over their split; `threads` (None: as torch has it) is what every runtime
    gets, `workers` how many processes decode photographs.
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
        """What will be written, the file that the others belong to last."""
        if self.format == "openvino":
            return self.out.with_suffix(".bin"), self.out
        return (self.out,)

    def check(self) -> None:
        """Raise RequestError with everything that is wrong with the request itself, without a model or pictures."""
        findings = Findings()
        known = self.format in get_args(Format)
        with findings:
            if not known:
                raise RequestError(
                    f'There is no format "{self.format}" ({nearest(self.format, get_args(Format))}); '
                    f"use {', '.join(get_args(Format))}."
                )
        with findings:
            if known:
                check_installed(self.format, self.int8)
        with findings:
            self._check_opset()
        with findings:
            if self.int8 and known and self.format not in QUANTIZED:
                raise RequestError(
                    f"int8 is for the formats {' and '.join(QUANTIZED)}, not for {self.format}; name one of these."
                )
        with findings:
            require_whole(1, pictures=self.pictures)
        with findings:
            require_whole(0, WORKERS, workers=self.workers)
        with findings:
            if self.threads is not None:
                require_whole(1, THREADS, threads=self.threads)
        with findings:
            self._check_out()
        findings.raise_if_any()

    def _check_opset(self) -> None:
        if self.opset is None:
            return
        require_whole(1, opset=self.opset)
        if str(self.format) in SUFFIXES and self.format != "onnx":
            raise RequestError(f"opset = {self.opset}: an opset is ONNX's; leave it away, or use the format onnx.")
        if self.opset < OPSETS.start:
            raise RequestError(
                f"opset = {self.opset} is too old: torch's exporter translates to opset {OPSETS.start}, and a "
                f"conversion to an older one would change operators; use {OPSETS.start} to {OPSETS.stop - 1}."
            )
        if self.opset not in OPSETS:
            raise RequestError(
                f"opset = {self.opset} is newer than what can be written; use {OPSETS.start} to {OPSETS.stop - 1}."
            )

    def _check_out(self) -> None:
        suffix = SUFFIXES.get(str(self.format))
        if suffix is not None and self.out.suffix != suffix and not os.path.isdir(self.out):
            raise RequestError(
                f"{self.out}: a file of the format {self.format} ends in {suffix}, such as "
                f"{self.out.with_suffix(suffix)}."
            )
        for file in self.files if not os.path.isdir(self.out) else (self.out,):
            check_new_file(file)
