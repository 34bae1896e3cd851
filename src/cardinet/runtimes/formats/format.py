"""A format of exported files: one object answers all questions of an export."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from cardinet.base.errors import RequestError
from cardinet.base.output_paths import check_new_file

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch.export import ExportedProgram

    Array = npt.NDArray[np.generic]


class Loaded(Protocol):
    """A file in its runtime: it maps pixels (N, C, crop, crop) to logits float32 (N, K), and has metadata."""

    metadata: Mapping[str, str]

    def logits(self, pixels: Array) -> Array: ...


class Int8(ABC):
    """How a translated model is quantized.

    `copies` is the number of copies of its parameters in memory at once. `libraries` are needed in addition.
    """

    copies: ClassVar[int]
    libraries: ClassVar[tuple[str, ...]] = ("nncf",)

    @abstractmethod
    def fed(self, model: Any, pixels: Any) -> Any:
        """Pixels in the form of the model's input."""

    @abstractmethod
    def predictor(self, model: Any, prepared: Any) -> Callable[[Any], Any]:
        """A function from pixels to logits, for the model that NNCF gives to validate."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A context in which NNCF works."""
        yield


class Format(ABC):
    """One format of exported files.

    `libraries` of the extra are needed to write and run it. `copies` is the number of copies of the parameters in
    memory at once: in the network, the program, its translation, the bytes of the file and the runtime. `int8` says how
    it is quantized; None if it cannot be.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]]
    copies: ClassVar[int]
    int8: ClassVar[Int8 | None] = None

    @abstractmethod
    def translate(self, program: ExportedProgram, opset: int | None) -> Any:
        """Translate a graph of torch's operators for the runtime. Raises WorkError if that is not possible."""

    @abstractmethod
    def write(self, made: Any, about: Mapping[str, str], path: Path) -> None:
        """Write the translated model with its metadata. Raises OSError if it cannot be written."""

    @abstractmethod
    def load(self, path: Path, threads: int, precision: str) -> Loaded:
        """Load a file in its runtime; `precision` is a value of `precisions`. Raises the errors of the runtime."""

    def needs(self, int8: bool) -> tuple[str, ...]:
        """The libraries that have to be installed."""
        return (*self.libraries, *(self.int8.libraries if int8 and self.int8 is not None else ()))

    def precisions(self) -> Mapping[str, str]:
        """The other precisions that the runtime uses by default on this machine: its word for each, by name."""
        return {}

    def files(self, out: Path) -> tuple[Path, ...]:
        """The paths that are written for a file; the main one is the last."""
        return (out,)

    def check_opset(self, opset: int) -> None:
        """Raise RequestError for an opset that the format does not have."""
        raise RequestError(f"opset = {opset}: only the format onnx has an opset; omit it, or use onnx.")

    def check_out(self, out: Path) -> None:
        """Raise RequestError if a file of this format cannot be written to a path."""
        if os.path.isdir(out):
            check_new_file(out)
        if out.suffix != self.suffix:
            raise RequestError(
                f"{out}: a file of the format {self.name} ends in {self.suffix}, such as "
                f"{out.with_suffix(self.suffix)}."
            )
        for file in self.files(out):
            check_new_file(file)

    def check_whole(self, path: Path) -> None:
        """Raise RequestError if another file that belongs to a file is missing."""
        for file in self.files(path)[:-1]:
            if not file.is_file():
                raise RequestError(
                    f"{path} has its weights in {file.name}, which is missing; put it into the same folder."
                )
