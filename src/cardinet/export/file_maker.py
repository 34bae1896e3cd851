"""Make the files of an export: write each, open it in its runtime, and check its metadata."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cardinet.base.errors import WorkError
from cardinet.export import runner
from cardinet.export.graph import graph_of
from cardinet.export.metadata import Metadata, describe
from cardinet.export.parity import POINTS
from cardinet.export.proof_pictures import Pictures, fed
from cardinet.export.request import Request
from cardinet.runs.model_file import Model
from cardinet.runtimes.formats import format_named
from cardinet.runtimes.formats.quantize import quantize, quantize_with_control

Progress = Callable[[str, int, int], None]
"""A function that gets the name of the current work, the amount done, and the total."""

Files = dict[str, runner.Runner]


class Maker:
    """Makes the files of an export in a folder and opens each in its runtime."""

    def __init__(self, model: Model, request: Request, folder: Path, threads: int, progress: Progress) -> None:
        self.model, self.request = model, request
        self.folder, self.threads, self.progress = folder, threads, progress
        self.format = format_named(request.format)
        self.about = describe(model, request.with_preprocessing)
        self.dtype = "uint8" if request.with_preprocessing else "float32"
        self.translated: Any = None

    def float_files(self) -> Files:
        """Translate and write the float file. Return its runners by contender."""
        self.progress("translating", 0, 1)
        program = graph_of(self.model, self.request.with_preprocessing)
        self.translated = self.format.translate(program, self.request.opset)
        self._write("float32", self.translated)
        return self._opened("float32")

    def int8_files(self, calibration: Pictures, tuning: Pictures, aware: bool = False) -> Files:
        """Quantize the translated model and write it. Return its runners by contender."""
        self.progress("quantizing with accuracy control" if aware else "quantizing", 0, 1)
        how = self.format.int8
        assert how is not None
        if aware:
            labels = tuning.labels
            assert labels is not None
            known = [(pixels, int(label)) for pixels, label in zip(fed(tuning, self.dtype), labels, strict=True)]
            made = quantize_with_control(self.translated, fed(calibration, self.dtype), known, how, POINTS)
        else:
            made = quantize(self.translated, fed(calibration, self.dtype), how)
        self._write("int8", made)
        return self._opened("int8")

    def written(self, name: str) -> tuple[Path, ...]:
        """The files of a contender, in the order of `Request.files`."""
        return self.format.files(self._path(name))

    def sizes(self) -> dict[str, int]:
        """The bytes on disk by contender, and the bytes of the network's tensors."""
        tensors = sum(t.nbytes for t in self.model.network.state_dict().values())
        names = ("float32", "int8") if self.request.int8 else ("float32",)
        return {"torch": tensors, **{name: sum(p.stat().st_size for p in self.written(name)) for name in names}}

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{self.format.suffix}"

    def _write(self, name: str, made: Any) -> None:
        try:
            self.format.write(made, self.about, self._path(name))
        except OSError as error:
            raise WorkError(f"{self.request.out} could not be written: {error.strerror or error}.") from error

    def _opened(self, name: str) -> Files:
        path = self._path(name)
        try:
            file = runner.open_exported(path, threads=self.threads)
        except WorkError as error:  # for example, operators that are newer than the runtime
            raise WorkError(
                f"{self.request.out} was not written: its runtime cannot open it.", *error.findings
            ) from error
        self._check_about(file.about)
        found: Files = {name: file}
        for other, precision in self.format.precisions().items():
            by_itself = other if name == "float32" else f"{name}+{other}"
            found[by_itself] = runner.open_exported(path, threads=self.threads, precision=precision)
        return found

    def _check_about(self, about: Metadata) -> None:
        """Raise WorkError if the metadata of a file is wrong."""
        p = self.model.preprocessing
        pairs = {
            "class names": (about.classes, self.model.classes),
            "preprocessing": (about.preprocessing, p),
            "type of input": (about.dtype, self.dtype),
        }
        if wrong := [what for what, (written, right) in pairs.items() if written != right]:
            raise WorkError(
                f"{self.request.out} was not written: its metadata has other {' and '.join(wrong)} than the model."
            )
