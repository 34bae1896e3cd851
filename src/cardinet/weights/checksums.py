"""Checksums in the safetensors files that Cardinet writes: one for each tensor, and one for the other metadata.

They stand under their own key, which earlier versions ignore. SHA-256 takes 0.7 s a GB if the processor has
instructions for it.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import safetensors.torch
import torch
from pydantic import Field
from torch import Tensor

from cardinet.base.documents import DocumentError, parse_json, to_json
from cardinet.base.errors import WorkError
from cardinet.base.schemas import Document, conform
from cardinet.weights.printable import printable

KEY = "cardinet_checksums"
AS_IT_IS = (
    "`cardinet eval` and `cardinet predict` accept it with --no-checksums (in Python: load(FILE, compare=False)); "
    "commands that write a new file from it do not, as the new checksums would hide the damage."
)
"""The sentence on what the user can do with a file whose tensors have changed."""

ALIGNMENT = 8
"""The tensors of a safetensors file begin at a multiple of this many bytes."""

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Checksums(Document):
    """The value of the key: the digest of every tensor by name, and the digest of the other metadata."""

    algorithm: Literal["sha256"]
    document: Digest
    tensors: dict[str, Digest]


def with_checksums(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> list[bytes | memoryview]:
    """The pieces of a safetensors file of contiguous tensors and metadata, with checksums, in the order of the file.

    The tensors are not copied: their pieces are their memory. The same contents give the same bytes.
    """
    sums = Checksums(
        algorithm="sha256",
        document=_document_digest(metadata),
        tensors={name: _tensor_digest(name, tensor) for name, tensor in tensors.items()},
    )
    header: dict[str, Any] = {"__metadata__": {**metadata, KEY: to_json(sums.model_dump())}}
    # The largest types first, so that each tensor begins at a multiple of its type's size.
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), str(tensors[name].dtype), name))
    pieces, end = [], 0
    for name in order:
        piece = _memory(tensors[name])
        start, end = end, end + len(piece)
        about = {"dtype": _type_name(tensors[name].dtype), "shape": list(tensors[name].shape)}
        header[name] = {**about, "data_offsets": [start, end]}
        pieces.append(piece)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return [len(text).to_bytes(8, "little"), text, *pieces]


@functools.cache
def _type_name(dtype: torch.dtype) -> str:
    """The name of a type in safetensors files, as the library writes it."""
    data = safetensors.torch.save({"one": torch.empty(0, dtype=dtype)})
    name: str = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["one"]["dtype"]
    return name


def check_document(path: Path, metadata: Mapping[str, str]) -> None:
    """Raise WorkError if the metadata of a file has changed since it was written. Files without checksums pass.

    An entry whose name differs from the checksums' key in one letter counts as that key, damaged.
    """
    for name in metadata:
        if len(name) == len(KEY) and sum(a != b for a, b in zip(name, KEY, strict=True)) == 1:
            raise _changed(path, f'its checksums stand under "{printable(name)}"')
    if KEY in metadata and _checksums(path, metadata).document != _document_digest(metadata):
        raise _changed(path, "its metadata is not what was written")


def check_tensors(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor], way: str = "") -> None:
    """Raise WorkError if the tensors of a file have changed since it was written. Files without checksums pass.

    `way` is a sentence on what the user can do with such a file; it ends the message.
    """
    if KEY not in metadata:
        return
    written = _checksums(path, metadata).tensors
    if tensors.keys() != written.keys():
        raise _changed(path, "its tensors do not have the names that were written")
    wrong = [name for name, tensor in tensors.items() if _tensor_digest(name, tensor) != written[name]]
    if wrong:
        more = f" and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        raise _changed(path, f"the values of {printable(wrong[0])}{more} are not what was written", way)


def no_checksums_note(path: Path | str) -> str:
    """The note about a file without checksums."""
    return f"{path} has no checksums (earlier versions wrote none), so changes in its weights cannot be noticed."


def _changed(path: Path, what: str, way: str = "") -> WorkError:
    return WorkError(f"{path} is damaged: {what}. Fetch or make it again.{way and f' {way}'}")


def _checksums(path: Path, metadata: Mapping[str, str]) -> Checksums:
    try:
        found: Checksums = conform(Checksums, parse_json(metadata[KEY]))
        return found
    except DocumentError as error:
        raise _changed(path, f"its checksums cannot be read ({printable(str(error), 160)})") from None


def _document_digest(metadata: Mapping[str, str]) -> str:
    """The digest of all entries except the checksums, in the order of their names."""
    entries = sorted((key, value) for key, value in metadata.items() if key != KEY)
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def _tensor_digest(name: str, tensor: Tensor) -> str:
    """The digest of a tensor's name, type, shape and bytes in the file."""
    digest = hashlib.sha256(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
    digest.update(_memory(tensor))
    return digest.hexdigest()


def _memory(tensor: Tensor) -> memoryview:
    """The bytes of a tensor, without a copy if it is contiguous."""
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data if flat.numel() else memoryview(b"")
