"""Reading parameters from a file that a user names: safetensors, or a PyTorch checkpoint without unpickling code."""

from __future__ import annotations

import pickle
import shlex
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cardinet.base.errors import RequestError, WorkError

WRAPPERS = ("state_dict", "model", "model_state_dict", "net")
"""Keys under which training scripts keep the state dict in a checkpoint."""

LATER = ("torchvision", "timm", "hub")
PREFIXES = ("module.", "model.", "_orig_mod.")
"""What DistributedDataParallel, Lightning and torch.compile write before every name."""


def read_header(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, without its tensors.

    Raises RequestError for a path that is no file or another format, WorkError for a damaged file.
    """
    start = _beginning(path)
    if _is_checkpoint(start):
        raise RequestError(
            f"{path} is a PyTorch checkpoint (a pickle), no model file. Its parameters can be loaded into a network by "
            f"its name, as in: cardinet eval resnet50 --weights {shlex.quote(str(path))}."
        )
    if len(start) == 9 and start[8:] != b"{":
        raise RequestError(f"{path} is neither a model file (.safetensors) nor a PyTorch checkpoint.")
    try:
        with safe_open(path, "pt") as tensors:
            return dict(tensors.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise WorkError(f"{path} is damaged or truncated ({_reason(error)}); fetch or make it again.") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file on the CPU. Raises as `read_header`."""
    read_header(path)
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a .safetensors file or in a PyTorch checkpoint, unwrapped and without common prefixes.

    A checkpoint is read with `weights_only`: tensors and plain containers, never code.
    Raises RequestError for a missing file or one with other contents, WorkError for a damaged one.
    """
    kind, _, name = str(path).partition(":")
    if kind in LATER and name:
        raise RequestError(f'Weights of "{kind}:" are not built yet; save them to a file and give --weights FILE.')
    state: Any = _read_checkpoint(path) if _is_checkpoint(_beginning(path)) else read_tensors(path)
    for wrapper in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    tensors = {str(k): v for k, v in state.items() if isinstance(v, Tensor)} if isinstance(state, Mapping) else {}
    if not tensors:
        raise RequestError(
            f"{path} holds no state dict (names with tensors); save one: torch.save(model.state_dict(), FILE)."
        )
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in tensors)), None):
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def _beginning(path: Path) -> bytes:
    """The first 9 bytes, by which the formats are told apart."""
    if path.is_dir():
        raise RequestError(f"{path} is a folder; name a file.")
    try:
        with open(path, "rb") as file:
            start = file.read(9)
    except FileNotFoundError:
        raise RequestError(f"There is no file {path}.") from None
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}.") from None
    if not start:
        raise WorkError(f"{path} is empty; fetch or make it again.")
    return start


def _is_checkpoint(start: bytes) -> bool:
    """Whether a file begins as a zip or a pickle (protocol 2 to 5).

    Safetensors begins with a length, which may look like either, and then has a brace where these have none.
    """
    return start[8:] != b"{" and (
        start[:2] == b"PK" or start[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
    )


def _read_checkpoint(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that another pickle protocol was used, or that a storage is old
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise RequestError(
            f"{path} holds more than tensors, and loading it could run code. Save its state dict alone: "
            "torch.save(model.state_dict(), FILE)."
        ) from error
    except Exception as error:  # at damaged bytes the unpickler may raise anything
        raise WorkError(f"{path} is damaged or truncated ({_reason(error)}); fetch or make it again.") from error


def _reason(error: Exception) -> str:
    """The first sentence of a library's message."""
    return (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0].rstrip(".")
