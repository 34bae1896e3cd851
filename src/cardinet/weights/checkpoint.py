"""Reading what torch.save wrote, without running code, and saying what another pickle or zip is."""

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
from cardinet.weights.foreign import refusal_of_zip
from cardinet.weights.printed import printable

MAGIC = 0x1950A86A20F9469CFC6C
"""The number that torch.save pickles before anything else where it writes no zip."""

PROTOCOLS = (2, 3)
"""The pickle protocols whose opcodes torch reads without running code; torch.save writes 2."""

NUMBERS: list[Any] = [
    *((np.float64(0).__reduce__()[0], f"numpy.{room}.multiarray.scalar") for room in ("core", "_core")),
    np.dtype,
    *(type(np.dtype(code)) for code in "?bBhHiIlLqQefd"),
]
"""What makes NumPy's numbers, such as a best accuracy beside the weights: no code of a file runs in it."""

MOST_BYTES = 2**20
"""How much of a pickle is looked at to say what it is."""

FOLDER = 0x10
"""The attribute of a folder in a zip. Of a record with it torch reads nothing, and gives memory as it lies."""

BEGINNINGS = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def is_checkpoint(start: bytes) -> bool:
    """Whether a file begins as a zip or a pickle (protocol 2 to 5).

    Safetensors begins with a length, which may look like either, and then has a brace where these have none.
    """
    return start[8:] != b"{" and start[:2] in BEGINNINGS


def read_checkpoint(path: Path) -> Any:
    """What torch.save wrote, on the CPU: tensors, plain values and containers.

    Raises RequestError for a file that holds other things or that another program wrote, WorkError for a damaged one.
    """
    try:
        protocol = _protocol(path)
    except RequestError:
        raise
    except Exception as error:  # at damaged bytes zipfile and zlib may raise anything
        raise damaged(path, error) from error
    if protocol is not None and protocol not in PROTOCOLS:
        raise RequestError(
            f"{path} was saved with pickle protocol {protocol}, which cannot be read without running code. Where you "
            "trust it, save it with torch's own, 2: torch.save(torch.load(OLD, weights_only=False), FILE)."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that another pickle protocol was used, or that a storage is old
            with torch.serialization.safe_globals(NUMBERS):
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported operand" in str(error):  # none that torch.save writes in these protocols
            raise damaged(path, pickle.UnpicklingError("its pickle has a code that is none")) from error
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = f" ({printable(found[1])})" if found else ""
        raise RequestError(
            f"{path} holds more than tensors{what}, and loading it could run code. Save its state dict alone: "
            "torch.save(model.state_dict(), FILE)."
        ) from error
    except Exception as error:  # at damaged bytes the unpickler may raise anything
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> WorkError:
    """The error on a file whose bytes contradict each other, with the first sentence of a library's message."""
    reason = (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0].rstrip(".")
    return WorkError(f"{path} is damaged or truncated ({printable(reason, 160)}); fetch or make it again.")


def _protocol(path: Path) -> int | None:
    """The pickle protocol in which torch.save wrote a file; None where its beginning is too damaged to say.

    Raises RequestError for a zip or pickle that torch.save did not write, and what zipfile raises at a damaged zip.
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
    """Raise BadZipFile where a record is not what was written: torch reads a changed weight without a word.

    Reading takes about half the time of torch.load.
    """
    for record in archive.infolist():
        if record.external_attr & FOLDER:
            raise zipfile.BadZipFile(f"{record.filename} is marked as a folder")
        if not record.CRC:  # torch.serialization.set_crc32_options(False) writes 0 for none
            record.CRC = None  # type: ignore[assignment] # by which zipfile compares nothing
            continue
        count = 0
        with archive.open(record) as member:
            while data := member.read(MOST_BYTES):
                count += len(data)
        if count != record.file_size:
            raise zipfile.BadZipFile(f"{record.filename} has {count} bytes and {record.file_size} are announced")


def _protocol_of_pickle(path: Path, start: bytes) -> int | None:
    """As `_protocol`, of a file that is not a zip: torch.save begins it with a pickle of the magic number alone."""
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
    except Exception:  # at damaged bytes it may raise anything, and at the end of what was read
        if len(start) < MOST_BYTES:
            return None
    raise RequestError(
        f"{path} is a pickle{holds} that torch.save did not write, and loading it could run code. Where you trust it, "
        "open it with the program that wrote it and save its tensors: torch.save({NAME: TENSOR, ...}, FILE)."
    )
