"""Formats of weights that are not read: how to recognise each, and what the user can do."""

from __future__ import annotations

from collections.abc import Collection

SAVE = "save the tensors by their names where it can be opened: torch.save({NAME: TENSOR, ...}, FILE)"

BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"version h", "a pointer of git-lfs, not the file itself", "fetch that: git lfs pull"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (.h5), as Keras and Caffe write them", SAVE),
    (b"GGUF", "a GGUF file", SAVE),
    (b"\x93NUMPY", "an array of NumPy", SAVE),
    (b"\x06\0\0\0", "a Torch7 file of a Lua function, which is code", "save the network alone, after clearState()"),
    (b"\x07\0\0\0", "a Torch7 file of a Lua function, which is code", "save the network alone, after clearState()"),
    (b"\x08\0\0\0", "a Torch7 file of a Lua function, which is code", "save the network alone, after clearState()"),
)
"""The first bytes of a file, its format, and what the user can do."""


def refusal(start: bytes) -> str | None:
    """The format of a file, by its first 9 bytes, and what to do, as the end of a sentence; None if it is unknown.

    A safetensors file may begin with the same bytes, as it begins with a length, but a brace follows.
    """
    if start[8:] == b"{":
        return None
    found = next((f"{what}; {way}" for beginning, what, way in BEGINNINGS if start.startswith(beginning)), None)
    if found is None and start[:1] == b"<":
        return "a web page, as a failed download leaves; fetch the file again"
    if found is None and start[4:8] == b"TFL3":
        return f"a TensorFlow Lite file; {SAVE}"
    if found is None and start[:1] == b"\x08" and start[2:3] in (b"\x12", b"\x3a"):  # ir_version, then a name or graph
        return (
            "an ONNX file, which has the weights of a graph and often folded ones; give the checkpoint that it was "
            "exported from"
        )
    return found


def refusal_of_zip(members: Collection[str]) -> str | None:
    """The format of a zip, by the last parts of its members' names, and what to do; None if it is unknown."""
    if "constants.pkl" in members:
        return "a TorchScript archive; save the tensors alone: torch.save(torch.jit.load(OLD).state_dict(), FILE)"
    if "model.weights.h5" in members:
        return f"a Keras file (.keras); {SAVE}"
    if members and all(name.endswith(".npy") for name in members):
        return f"an archive of NumPy arrays (.npz); {SAVE}"
    return None
