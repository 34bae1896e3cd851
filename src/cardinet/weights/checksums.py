"""The checksums in a safetensors file that Cardinet writes: of each tensor, and of the rest of the metadata.

They stand under a key of their own, which versions of before do not look at. SHA-256 takes 0.7 s a GB where the
processor has instructions for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import safetensors.torch
import torch
from pydantic import Field
from torch import Tensor

from cardinet.base.documents import DocumentError, parse_json, to_json
from cardinet.base.errors import WorkError
from cardinet.base.schemas import Document, conform
from cardinet.weights.printed import printable

KEY = "cardinet_checksums"
AS_IT_IS = (
    "`cardinet eval` and `cardinet predict` take it as it is with --no-checksums (in Python: load(FILE, "
    "compare=False)); what writes a new file from it does not, as the damage would have checksums there."
)
"""What can be done with a file whose tensors are not what was written."""

ALIGNMENT = 8
"""The tensors of a safetensors file begin at a multiple of this many bytes."""

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Checksums(Document):
    """What stands under the key: the digest of every tensor by name, and that of the other entries."""

    algorithm: Literal["sha256"]
    document: Digest
    tensors: dict[str, Digest]


def sealed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """A safetensors file of contiguous tensors and metadata, with checksums: the same bytes for the same contents."""
    sums = Checksums(
        algorithm="sha256",
        document=_of_document(metadata),
        tensors={name: _of_tensor(name, tensor) for name, tensor in tensors.items()},
    )
    data = memoryview(safetensors.torch.save(dict(tensors)))
    start = 8 + int.from_bytes(data[:8], "little")
    # The library writes entries of metadata in an order that changes from call to call.
    header = {"__metadata__": {**metadata, KEY: to_json(sums.model_dump())}, **json.loads(bytes(data[8:start]))}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return b"".join((len(text).to_bytes(8, "little"), text, data[start:]))


def check_document(path: Path, metadata: Mapping[str, str]) -> None:
    """Raise WorkError where the metadata of a file is not what was written; nothing without checksums.

    An entry whose name differs from theirs in one letter is theirs, with damage.
    """
    for name in metadata:
        if len(name) == len(KEY) and sum(a != b for a, b in zip(name, KEY, strict=True)) == 1:
            raise _changed(path, f'its checksums stand under "{printable(name)}"')
    if KEY in metadata and _checksums(path, metadata).document != _of_document(metadata):
        raise _changed(path, "its metadata is not what was written")


def check_tensors(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor], way: str = "") -> None:
    """Raise WorkError where the tensors of a file are not those that were written; nothing without checksums.

    `way` is a sentence on what can be done with such a file.
    """
    if KEY not in metadata:
        return
    written = _checksums(path, metadata).tensors
    if tensors.keys() != written.keys():
        raise _changed(path, "its tensors have not the names that were written")
    wrong = [name for name, tensor in tensors.items() if _of_tensor(name, tensor) != written[name]]
    if wrong:
        more = f" and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
        raise _changed(path, f"the values of {printable(wrong[0])}{more} are not what was written", way)


def absent(path: Path | str) -> str:
    """What to say of a file without checksums."""
    return f"{path} has no checksums, as files of before; whether its weights are what was written is not known."


def _changed(path: Path, what: str, way: str = "") -> WorkError:
    return WorkError(f"{path} is damaged: {what}. Fetch or make it again.{way and f' {way}'}")


def _checksums(path: Path, metadata: Mapping[str, str]) -> Checksums:
    try:
        found: Checksums = conform(Checksums, parse_json(metadata[KEY]))
        return found
    except DocumentError as error:
        raise _changed(path, f"its checksums cannot be read ({printable(str(error), 160)})") from None


def _of_document(metadata: Mapping[str, str]) -> str:
    """The digest of all entries but the checksums', in the order of their names."""
    entries = sorted((key, value) for key, value in metadata.items() if key != KEY)
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def _of_tensor(name: str, tensor: Tensor) -> str:
    """The digest of a tensor's name, type and shape, and of its bytes as they stand in the file."""
    digest = hashlib.sha256(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
    flat = tensor.detach().contiguous().reshape(-1)
    if flat.numel():
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
