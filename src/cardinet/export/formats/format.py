"""What a kind of file is: everything that an export asks of it, by one object."""

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
    """A file in its runtime: pixels (N, C, crop, crop) to logits float32 (N, K), and the metadata that it holds."""

    metadata: Mapping[str, str]

    def logits(self, pixels: Array) -> Array: ...


class Int8(ABC):
    """How a translated model is quantized.

    `copies`: so many times its parameters are held at once. `libraries` are those that it needs too.
    """

    copies: ClassVar[int]
    libraries: ClassVar[tuple[str, ...]] = ("nncf",)

    @abstractmethod
    def fed(self, model: Any, pixels: Any) -> Any:
        """Pixels as the model takes them."""

    @abstractmethod
    def predictor(self, model: Any, prepared: Any) -> Callable[[Any], Any]:
        """Pixels to logits, of what NNCF hands over to be validated."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """What has to hold while NNCF works."""
        yield


class Format(ABC):
    """One format of exported files.

    `libraries` of the extra are needed to write and run it. `copies`: so many times the parameters are held at once,
    by the network, the program, its translation, the bytes of the file and the runtime that reads it. `int8` is how it
    is quantized; None where it is not.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]]
    copies: ClassVar[int]
    int8: ClassVar[Int8 | None] = None

    @abstractmethod
    def translate(self, program: ExportedProgram, opset: int | None) -> Any:
        """A graph of torch's operators as the runtime's own. Raises WorkError where it cannot be."""

    @abstractmethod
    def write(self, made: Any, about: Mapping[str, str], path: Path) -> None:
        """Write what was translated, with its metadata. Raises OSError where it cannot be written."""

    @abstractmethod
    def load(self, path: Path, threads: int, precision: str) -> Loaded:
        """A file in its runtime; `precision` is one of `precisions`. Raises what the runtime raises."""

    def needs(self, int8: bool) -> tuple[str, ...]:
        """The libraries that have to be installed."""
        return (*self.libraries, *(self.int8.libraries if int8 and self.int8 is not None else ()))

    def precisions(self) -> Mapping[str, str]:
        """In what the runtime computes on this machine by itself, beside float32: its word, by a name."""
        return {}

    def files(self, out: Path) -> tuple[Path, ...]:
        """What is written for a file, the one that the others belong to last."""
        return (out,)

    def check_opset(self, opset: int) -> None:
        """Raise RequestError for an opset that it cannot have."""
        raise RequestError(f"opset = {opset}: an opset is ONNX's; leave it out, or use the format onnx.")

    def check_out(self, out: Path) -> None:
        """Raise RequestError where a file of this format cannot be made."""
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
        """Raise RequestError where something that belongs to a file is not there."""
        for file in self.files(path)[:-1]:
            if not file.is_file():
                raise RequestError(f"{path} has its weights in {file.name}, which is not beside it; put it there.")
