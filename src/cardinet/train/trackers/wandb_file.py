"""Read the .wandb files of a run that Weights & Biases has not sent: which rows they have.

Such a file is ":W&B", 3 more bytes, and a log in LevelDB's format (its doc/log_format.md): blocks of 32,768 bytes with
fragments of a checksum (4 bytes), a length (2), a type (1) and data. Each record is a message of wandb_internal.proto.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK, HEADER, START = 32_768, 7, 7
FULL, LAST = 1, 4
"""The types of a fragment that ends a record: it is the whole of it, or its last one."""


def logged_numbers(folder: Path, identity: str) -> set[int]:
    """The numbers of the rows of a run in the files below a folder. What a killed process wrote in part is left out."""
    found = set()
    for path in folder.glob(f"offline-run-*-{identity}*/run-{identity}.wandb"):
        for record in records(path):
            for item in record.history.item:
                if "_step" in (item.key, *item.nested_key):
                    found.add(int(json.loads(item.value_json)))
    return found


def wait_for_end(path: Path, seconds: float) -> None:
    """Wait until a file has its last record, which the library's own process writes after it has answered."""
    until = time.monotonic() + seconds
    while not any(record.HasField("exit") for record in records(path)):
        if time.monotonic() > until:
            raise TimeoutError(f"the end is not in {path} after {seconds:g} seconds")
        time.sleep(0.1)


def records(path: Path) -> Iterator[Any]:
    """The records of a file, up to the first that is not whole."""
    from google.protobuf.message import DecodeError
    from wandb.proto import wandb_internal_pb2

    messages: Any = wandb_internal_pb2
    data, at, parts = path.read_bytes(), START, b""
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:  # the rest of a block is empty
            at += left
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        fragment = data[at + HEADER : at + HEADER + length]
        if kind == 0 or len(fragment) < length:
            return
        parts, at = parts + fragment, at + HEADER + length
        if kind in (FULL, LAST):
            record = messages.Record()
            try:
                record.ParseFromString(parts)
            except DecodeError:
                return
            yield record
            parts = b""
