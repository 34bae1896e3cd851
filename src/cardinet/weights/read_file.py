"""Read weights from a file of any known format. Safetensors is read here; the other formats have their own modules."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from cardinet.base.errors import RequestError, WorkError
from cardinet.measure.available_memory import require_mapping
from cardinet.rewrite.temperature import trained_tensors
from cardinet.weights import checksums
from cardinet.weights.contents import Weights
from cardinet.weights.metadata import network_of, read_description, read_spec
from cardinet.weights.printable import printable
from cardinet.weights.pytorch_file import damaged, is_checkpoint, read_checkpoint
from cardinet.weights.refused_formats import refusal

WRAPPERS = (
    *("state_dict", "model", "model_state_dict", "model_state", "net", "network", "module", "params", "weights"),
    *("state_dict_ema", "model_ema", "ema"),
)
"""The keys that training scripts use for the state dict in a checkpoint, the likeliest first."""

MAPPINGS = 2
"""The number of times that safetensors maps a file while it opens it."""

DEEPEST = 4
"""The deepest nesting of wrappers."""


def into_a_network(path: Path) -> str:
    """The sentence on what the user can do with a file of weights that is not a model file."""
    return (
        "Load its parameters into a named network, as in: cardinet eval resnet50 --weights "
        f"{shlex.quote(str(path))} (in Python: cardinet.load_weights(network, FILE))."
    )


def read_header(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, without its tensors.

    Raises RequestError for a path that is not a file, for another format and for a file beyond the memory limit of the
    process. Raises WorkError for a damaged file, also if the metadata does not match its checksum.
    """
    start = _beginning(path)
    if is_checkpoint(start):
        raise RequestError(f"{path} is a PyTorch checkpoint (a pickle), not a model file. {into_a_network(path)}")
    if is_torch7(start):
        raise RequestError(f"{path} is a Torch7 file, not a model file. {into_a_network(path)}")
    if (why := refusal(start)) is not None:
        raise RequestError(f"{path} is {why}.")
    if len(start) == 9 and start[8:] != b"{":
        raise RequestError(f"{path} is neither a model file (.safetensors) nor a PyTorch checkpoint.")
    require_mapping(MAPPINGS * path.stat().st_size, f"The file {path}")
    with _mapped(path) as tensors:
        header = dict(tensors.metadata() or {})
    checksums.check_document(path, header)
    return header


@contextmanager
def _mapped(path: Path) -> Iterator[Any]:
    """A safetensors file that is read lazily.

    Raises WorkError if reading shows that the file is damaged, MemoryError if the process may not map it.
    """
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (
        SafetensorError,
        OSError,
        RuntimeError,
        AttributeError,
        TypeError,
    ) as error:  # the last two: a type that torch lacks
        if "Cannot allocate memory" in str(error):
            raise MemoryError(str(error)) from error
        raise damaged(path, error) from error


def read_tensors(path: Path, compare: bool = True) -> dict[str, Tensor]:
    """The tensors of a safetensors file on the CPU. With `compare` they are compared with the file's checksums, if any.

    Raises as `read_header`.
    """
    header = read_header(path)
    with _mapped(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    if compare:
        checksums.check_tensors(path, header, tensors, checksums.AS_IT_IS)
    return tensors


def read_file(path: Path, compare: bool = True) -> Weights:
    """The weights in a .safetensors file (`compare` as in `read_tensors`), a PyTorch checkpoint or a .t7 file.

    A checkpoint is read with `weights_only`: tensors and plain containers, never code.
    Raises RequestError for a missing file or other contents, WorkError for a damaged file.
    """
    start = _beginning(path)
    if is_torch7(start):
        from cardinet.weights.torch7 import read_torch7

        return read_torch7(path)
    if is_checkpoint(start):
        return _unwrapped(path, read_checkpoint(path))
    header, tensors = read_header(path), _with_names(path, read_tensors(path, compare))
    about = read_description(path, header)
    if about is None:
        return Weights(str(path), tensors, ordered=False, spec=read_spec(path, header))
    tensors, rewrites, temperature = trained_tensors(tensors, about.rewrites)
    notes = [] if checksums.KEY in header else [checksums.no_checksums_note(path)]
    if temperature != 1.0:
        notes.append(
            f"The temperature {temperature:.4g} of {path} is not taken over: it was fitted to the answers of that "
            "model. Fit a new one to the new model."
        )
    return Weights(
        str(path),
        tensors,
        ordered=False,
        spec=network_of(path, about.spec),
        rewrites=rewrites,
        model_file=True,
        preprocessing=about.preprocessing,
        classes=about.classes,
        notes=tuple(notes),
    )


def _unwrapped(path: Path, state: Any) -> Weights:
    """The state dict inside a checkpoint, which training scripts store beside other entries."""
    notes = []
    if isinstance(state, list | tuple) and len(state) == 1 and _count(state[0]):
        notes.append(f"Read the only entry of the list that {path} holds.")
        state = state[0]
    for _ in range(DEEPEST):
        wrapper = next((w for w in WRAPPERS if isinstance(state, Mapping) and _count(state.get(w))), None)
        if wrapper is None:
            break
        others = [printable(str(key)) for key in state if key != wrapper]
        beside = f"; not used beside it: {', '.join(others[:5])}{', ...' if len(others) > 5 else ''}" if others else ""
        notes.append(f'Read the entry "{wrapper}" of {path}{beside}.')
        state = state[wrapper]
    entries = {str(key): value for key, value in state.items()} if isinstance(state, Mapping) else {}
    tensors = {name: value for name, value in entries.items() if isinstance(value, Tensor)}
    skipped = {
        name: f"not a tensor but {type(value).__name__}" for name, value in entries.items() if name not in tensors
    }
    if not tensors and (inner := {name: n for name, value in entries.items() if (n := _count(value))}):
        found = ", ".join(f"{printable(name)} ({n})" for name, n in list(inner.items())[:5])
        raise RequestError(
            f"{path} holds no state dict, but entries with tensors in them: {found}. Save the one that you mean: "
            'torch.save(checkpoint["ENTRY"], FILE).'
        )
    return Weights(str(path), _with_names(path, tensors), notes=tuple(notes), skipped=skipped)


def _count(value: Any, depth: int = DEEPEST) -> int:
    """The number of tensors in a mapping and in the mappings inside it."""
    if not isinstance(value, Mapping) or not depth:
        return 0
    return sum(isinstance(v, Tensor) or _count(v, depth - 1) for v in value.values())


def _with_names(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    if not tensors:
        raise RequestError(
            f"{path} holds no state dict (names with tensors); save one: torch.save(model.state_dict(), FILE)."
        )
    return tensors


def _beginning(path: Path) -> bytes:
    """The first 9 bytes of a file, which show its format. Raises RequestError and WorkError as `read_header`."""
    try:
        if path.is_dir():
            raise RequestError(f"{path} is a folder; name a file.")
        if not stat.S_ISREG(os.stat(path).st_mode):  # reading a pipe could wait forever
            raise RequestError(f"{path} is not a regular file; save its content in one and name that.")
        with open(path, "rb") as file:
            start = file.read(9)
    except FileNotFoundError:
        raise RequestError(f"There is no file {printable(str(path))}.") from None
    except OSError as error:
        raise RequestError(f"{printable(str(path))} cannot be read: {error.strerror}.") from None
    except ValueError as error:  # the name has a NUL
        raise RequestError(f"{printable(str(path))} is not a file name ({error}).") from None
    if not start:
        raise WorkError(f"{path} is empty; fetch or make it again.")
    return start


def is_torch7(start: bytes) -> bool:
    """Whether a file begins like a .t7 file: with an object or a table, in binary or as text.

    A safetensors file may begin with the same bytes, but a brace follows.
    """
    return start[8:] != b"{" and (start[:4] in (b"\4\0\0\0", b"\3\0\0\0") or start[:2] in (b"4\n", b"3\n"))
