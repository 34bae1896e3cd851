"""Read files of torch.save without running code, and explain why another pickle or zip is refused."""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cardinet.base.errors import RequestError, WorkError
from cardinet.weights.printable import printable
from cardinet.weights.refused_formats import refusal_of_zip

MAGIC = 0x1950A86A20F9469CFC6C
"""The number that torch.save pickles first if it does not write a zip."""

PROTOCOLS = (2, 3)
"""The pickle protocols that torch reads without running code; torch.save writes 2."""

NUMBERS: list[Any] = [
    *((np.float64(0).__reduce__()[0], f"numpy.{room}.multiarray.scalar") for room in ("core", "_core")),
    np.dtype,
    *(type(np.dtype(code)) for code in "?bBhHiIlLqQefd"),
]
"""Constructors of NumPy's numbers, such as a best accuracy beside the weights. They run no code from the file."""

MOST_BYTES = 2**20
"""The number of bytes at the beginning of a pickle that are searched for its type."""

FOLDER = 0x10
"""The attribute of a folder in a zip. torch does not read a record with it and returns uninitialised memory."""

BEGINNINGS = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def is_checkpoint(start: bytes) -> bool:
    """Whether a file begins like a zip or a pickle (protocol 2 to 5).

    A safetensors file begins with a length, which may look like either, but a brace follows.
    """
    return start[8:] != b"{" and start[:2] in BEGINNINGS


def read_checkpoint(path: Path) -> Any:
    """The content of a torch.save file, on the CPU: tensors, plain values and containers.

    Raises RequestError for a file with other contents or of another program, WorkError for a damaged one.
    """
    try:
        protocol = _protocol(path)
    except RequestError:
        raise
    except Exception as error:  # zipfile and zlib may raise anything for damaged bytes
        raise damaged(path, error) from error
    if protocol is not None and protocol not in PROTOCOLS:
        raise RequestError(
            f"{path} was saved with pickle protocol {protocol}, which cannot be read without running code. If you "
            "trust it, save it with protocol 2, torch's own: torch.save(torch.load(OLD, weights_only=False), FILE)."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about another pickle protocol or an old kind of storage
            with torch.serialization.safe_globals(NUMBERS):
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported operand" in str(error):  # torch.save never writes it in these protocols
            raise damaged(path, pickle.UnpicklingError("its pickle has an unknown code")) from error
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f" ({printable(found[1])})" if found else ""
        raise RequestError(
            f"{path} holds more than tensors{what}, and loading it could run code. Save its state dict alone: "
            "torch.save(model.state_dict(), FILE)."
        ) from error
    except Exception as error:  # the unpickler may raise anything for damaged bytes
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> WorkError:
    """The error for a damaged file, with the first sentence of a library's message."""
    reason = (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0].rstrip(".")
    return WorkError(f"{path} is damaged or truncated ({printable(reason, 160)}); fetch or make it again.")


def _protocol(path: Path) -> int | None:
    """The pickle protocol of a torch.save file; None if its beginning is too damaged to tell.

    Raises RequestError for a zip or pickle of another program, and any error of zipfile for a damaged zip.
    """
    with open(path, "rb") as file:
        start = file.read(MOST_BYTES)
    if start[:2] != b"PK":
        return _protocol_of_pickle(path, start)
    with zipfile.ZipFile(path) as archive:
        members = {name.rpartition("/")[2]: name for name in archive.namelist()}
        if (why := refusal_of_zip(members)) is not None:
            raise RequestError(f"{path} is {why}.")
        if "data.pkl" not in members:
            raise RequestError(f"{path} is a zip that torch.save did not write; save the state dict with torch.save.")
        _require_checksums(archive)
        with archive.open(members["data.pkl"]) as member:
            start = member.read(2)
    return start[1] if len(start) == 2 and start[:1] == pickle.PROTO else None


def _require_checksums(archive: zipfile.ZipFile) -> None:
    """Raise BadZipFile if a record has changed since it was written: torch itself does not notice a changed weight.

    It takes about half the time of torch.load.
    """
    for record in archive.infolist():
        if record.external_attr & FOLDER:
            raise zipfile.BadZipFile(f"{record.filename} is marked as a folder")
        if not record.CRC:  # torch.serialization.set_crc32_options(False) writes 0
            record.CRC = None  # type: ignore[assignment] # zipfile then skips the comparison
            continue
        count = 0
        with archive.open(record) as member:
            while data := member.read(MOST_BYTES):
                count += len(data)
        if count != record.file_size:
            raise zipfile.BadZipFile(f"{record.filename} has {count} bytes and {record.file_size} are announced")


def _protocol_of_pickle(path: Path, start: bytes) -> int | None:
    """As `_protocol`, for a file that is not a zip: torch.save begins it with a pickle of the magic number alone."""
    words: list[str] = []
    holds = ""
    try:
        for code, value, _ in pickletools.genops(io.BytesIO(start)):
            if value == MAGIC:
                return start[1]
            if isinstance(value, str):
                words.append(value)
            if not holds and code.name in ("GLOBAL", "STACK_GLOBAL"):
                name = words[-1].replace(" ", ".") if code.name == "GLOBAL" else ".".join(words[-2:])
                holds = f" of {printable(name)}"
    except Exception:  # genops may raise anything for damaged bytes, and at the end of `start`
        if len(start) < MOST_BYTES:
            return None
    raise RequestError(
        f"{path} is a pickle{holds} that torch.save did not write, and loading it could run code. If you trust it, "
        "open it with the program that wrote it and save its tensors: torch.save({NAME: TENSOR, ...}, FILE)."
    )
