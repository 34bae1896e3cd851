"""Checkpoints: everything that an exact resume needs in one safetensors file, without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from cardinet.base.documents import DocumentError, parse_json, to_json
from cardinet.base.errors import WorkError
from cardinet.base.files import write_atomic
from cardinet.weights.checksums import with_checksums
from cardinet.weights.read_file import read_header, read_tensors

KEY = "cardinet_checkpoint"


def save_checkpoint(path: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write tensors and plain loop state to `path` atomically. Raises WorkError if the disk refuses."""
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    write_atomic(path, with_checksums(plain, {KEY: to_json({"schema": 1, **state})}))


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the loop state of a checkpoint.

    Raises WorkError if it is damaged, RequestError if it is missing.
    """
    header = read_header(path)
    if KEY not in header:
        raise WorkError(f"{path} is not a checkpoint of Cardinet.")
    try:
        state = parse_json(header[KEY])
    except DocumentError as error:
        raise WorkError(f"{path} is damaged: its state cannot be read ({error}).") from None
    if not isinstance(state, dict):
        raise WorkError(f"{path} is damaged: its state is not a mapping.")
    return read_tensors(path), state
