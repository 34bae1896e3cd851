"""Runtimes of other makers: the network is translated into their form, and may be written to a file between."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cardinet.runtimes.runtime import Runtime, Use

if TYPE_CHECKING:
    from torch import nn

    from cardinet.runtimes.runtime import Prepared


class TranslatedRuntime(Runtime):
    """A runtime that takes a translated network: a format of `formats`."""

    int8_libraries = ("nncf",)
    format: ClassVar[str]

    def prepare(self, network: nn.Module, use: Use) -> Prepared:
        return self.load(self.translated(network, use), use)

    def translated(self, network: nn.Module, use: Use) -> Any:
        """The network in the form of the runtime. An int8 one has the ranges that its calibration gives."""
        import torch

        from cardinet.runtimes.formats import format_named
        from cardinet.runtimes.formats.quantize import quantize
        from cardinet.runtimes.graph import float_copy, program_of

        made = format_named(self.format)
        found = made.translate(program_of(float_copy(network), torch.zeros(2, *use.shape[1:])), None)
        if use.precision != "int8":
            return found
        assert made.int8 is not None
        assert use.calibration is not None
        return quantize(found, [one.numpy() for one in use.calibration.split(1)], made.int8)

    def file(self, folder: Path, use: Use) -> Path:
        """The place of a translated network in a folder."""
        from cardinet.runtimes.formats import format_named

        return folder / f"{'int8' if use.precision == 'int8' else 'float'}{format_named(self.format).suffix}"

    def write(self, network: nn.Module, use: Use, folder: Path) -> None:
        """Write the translated network, if it is not there. Raises OSError if it cannot be written."""
        from cardinet.runtimes.formats import format_named

        if not self.file(folder, use).exists():
            format_named(self.format).write(self.translated(network, use), {}, self.file(folder, use))

    @abstractmethod
    def load(self, made: Any, use: Use) -> Prepared:
        """A translated network, or the path of its file, as a function (`Runtime.prepare`)."""
