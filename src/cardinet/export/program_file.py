"""The torch.export file (.pt2): the graph with its parameters, and the metadata as extra files in it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch.export import ExportedProgram

from cardinet.base.documents import DocumentError, parse_json, to_json
from cardinet.base.errors import WorkError
from cardinet.base.schemas import conform
from cardinet.export.extras import quiet

METADATA = "cardinet.json"


def write_program(program: ExportedProgram, about: Mapping[str, str], path: Path) -> None:
    """Write a program; the metadata is one JSON object of JSON texts."""
    file = io.BytesIO()  # where the disk is full torch's own writing to it ends the process
    torch.export.save(program, file, extra_files={METADATA: to_json(about)})
    path.write_bytes(file.getbuffer())


def load_program(path: Path) -> tuple[ExportedProgram, dict[str, str]]:
    """The program and its metadata; none for a file that Cardinet has not written. Raises WorkError for no archive."""
    if not zipfile.is_zipfile(path):
        raise WorkError(f"{path} is no archive, so it is no program of torch.export, or it is cut.")
    extra = {METADATA: ""}
    with quiet("torch.export"):  # which logs a traceback and then raises
        program = torch.export.load(path, extra_files=extra)
    try:
        metadata: dict[str, str] = conform(dict[str, str], parse_json(extra[METADATA] or "{}"))
    except DocumentError as error:
        raise WorkError(f"{path} is damaged: in its {METADATA} {error}.") from None
    return program, metadata
