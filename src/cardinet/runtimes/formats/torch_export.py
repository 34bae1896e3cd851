"""The torch.export file (.pt2): the graph with its parameters, and the metadata as extra files in it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardinet.base.documents import DocumentError, parse_json, to_json
from cardinet.base.errors import WorkError
from cardinet.base.extras import quiet
from cardinet.runtimes.formats.format import Format
from cardinet.runtimes.libraries import ignored

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from cardinet.runtimes.formats.format import Array

METADATA = "cardinet.json"


def write_program(program: ExportedProgram, about: Mapping[str, str], path: Path) -> None:
    """Write a program; the metadata is one JSON object of JSON texts."""
    import torch

    file = io.BytesIO()  # on a full disk torch's own writer ends the process
    torch.export.save(program, file, extra_files={METADATA: to_json(about)})
    path.write_bytes(file.getbuffer())


def load_program(path: Path) -> tuple[ExportedProgram, dict[str, str]]:
    """The program and its metadata, which is empty if Cardinet did not write it. Raises WorkError for a bad file."""
    import torch

    from cardinet.base.schemas import conform

    if not zipfile.is_zipfile(path):
        raise WorkError(f"{path} is not a program of torch.export, or it is incomplete.")
    extra = {METADATA: ""}
    # It logs a traceback before it raises; torch 2.11 warns of its own buffers.
    with quiet("torch.export"), ignored(UserWarning, "The given buffer is not writable"):
        program = torch.export.load(path, extra_files=extra)
    try:
        metadata: dict[str, str] = conform(dict[str, str], parse_json(extra[METADATA] or "{}"))
    except DocumentError as error:
        raise WorkError(f"{path} is damaged: in its {METADATA} {error}.") from None
    return program, metadata


class ProgramRunner:
    """torch.export: the loaded program as a module. The threads are torch's own."""

    def __init__(self, path: Path) -> None:
        program, metadata = load_program(path)
        self.module = program.module()
        self.metadata: Mapping[str, str] = metadata

    def logits(self, pixels: Array) -> Array:
        import torch

        with torch.inference_mode():
            found: Array = self.module(torch.from_numpy(pixels)).numpy()
        return found


class TorchExport(Format):
    """A program of torch.export, run by torch."""

    name, suffix = "torch-export", ".pt2"
    libraries = ()
    copies = 5

    def translate(self, program: ExportedProgram, opset: int | None) -> Any:
        return program

    def write(self, made: Any, about: Mapping[str, str], path: Path) -> None:
        write_program(made, about, path)

    def load(self, path: Path, threads: int, precision: str) -> ProgramRunner:
        return ProgramRunner(path)
