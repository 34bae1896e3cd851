"""The torch.export file (.pt2): the graph with its parameters, and the metadata as extra files in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch.export import ExportedProgram

METADATA = "cardinet.json"


def write_program(program: ExportedProgram, about: Mapping[str, str], path: Path) -> None:
    """Write a program; the metadata is one JSON object of JSON texts."""
    torch.export.save(program, path, extra_files={METADATA: json.dumps(dict(about), ensure_ascii=False)})


def load_program(path: Path) -> tuple[ExportedProgram, dict[str, str]]:
    """The program and its metadata; none for a file that Cardinet has not written."""
    extra = {METADATA: ""}
    program = torch.export.load(path, extra_files=extra)
    return program, json.loads(extra[METADATA] or "{}")
