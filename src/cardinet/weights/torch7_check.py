"""The check of a .t7 file, before torchfile reads it.

torchfile trusts a file: it maps a tensor onto its storage by the sizes, strides and offset in the file, even beyond the
end of the storage. So the whole stream is checked first; only lengths are read.
"""

from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Collection
from typing import BinaryIO

from cardinet.base.errors import RequestError, WorkError

NIL, NUMBER, STRING, TABLE, TORCH, BOOLEAN, FUNCTIONS = 0, 1, 2, 3, 4, 5, (6, 7, 8)
BYTES = {"Byte": 1, "Char": 1, "Short": 2, "Int": 4, "Long": 8, "Float": 4, "Double": 8}
BYTES |= {"Cuda": 4} | {f"Cuda{name}": BYTES[name] for name in ("Byte", "Char", "Short", "Int", "Long", "Double")}
STORAGES = {f"torch.{name}Storage": size for name, size in BYTES.items()}
TENSORS = {f"torch.{name}Tensor": f"torch.{name}Storage" for name in BYTES}
DEEPEST = 64
"""The deepest nesting of objects; a residual network has about 20."""
DIMENSIONS = 8

_VERSION = re.compile(rb"V \d{1,4}")


def check_torch7(file: BinaryIO, path: object, classes: Collection[str]) -> None:
    """Check the stream and return to its beginning.

    Raises RequestError for functions and for classes other than tensors, storages and `classes`, WorkError for a
    file that ends early or contradicts itself.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        _Walk(file, size, classes).value(0)
    except _Refused as error:
        raise RequestError(f"{path} {error}.") from None
    except _Damaged as error:
        raise WorkError(f"{path} is damaged or truncated ({error}); fetch or make it again.") from None
    file.seek(0)


class _Damaged(Exception):
    """A contradiction in the stream."""


class _Refused(Exception):
    """A valid content that this program does not read."""


class _Walk:
    """One pass over a stream. `seen` maps the index of an object to its kind: a class name, "table" or "open"."""

    def __init__(self, file: BinaryIO, size: int, classes: Collection[str]) -> None:
        self.file, self.left, self.classes = file, size, classes
        self.seen: dict[int, str] = {}
        self.lengths: dict[int, int] = {}

    def take(self, count: int) -> bytes:
        if not 0 <= count <= self.left:
            raise _Damaged(f"{count} bytes are announced and {self.left} are left")
        self.left -= count
        data = self.file.read(count)
        if len(data) != count:
            raise _Damaged("it ends early")
        return data

    def skip(self, count: int) -> None:
        if not 0 <= count <= self.left:
            raise _Damaged(f"{count} bytes are announced and {self.left} are left")
        self.left -= count
        self.file.seek(count, os.SEEK_CUR)

    def integer(self) -> int:
        return int(struct.unpack("<i", self.take(4))[0])

    def longs(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}q", self.take(8 * count))

    def text(self) -> bytes:
        return self.take(self.integer())

    def value(self, depth: int) -> int | None:
        """Check one value. The result is the index of an object, None for any other value."""
        if depth > DEEPEST:
            raise _Damaged(f"objects are nested more than {DEEPEST} deep")
        kind = self.integer()
        if kind in (NUMBER, BOOLEAN, STRING):
            self.skip({NUMBER: 8, BOOLEAN: 4}.get(kind) or self.integer())
        elif kind in (TABLE, TORCH):
            index = self.integer()
            if index not in self.seen:
                self.seen[index] = "table" if kind == TABLE else "open"
                (self.table if kind == TABLE else self.object)(index, depth)
            return index
        elif kind in FUNCTIONS:
            raise _Refused("holds Lua functions, which are code; save the network alone, after clearState()")
        elif kind != NIL:
            raise _Damaged(f"there is no kind of value {kind}")
        return None

    def table(self, index: int, depth: int) -> None:
        count = self.integer()
        if not 0 <= count <= self.left // 8:
            raise _Damaged(f"a table of {count} entries in {self.left} bytes")
        for _ in range(count):
            kind = self.integer()
            if kind in (TABLE, TORCH):
                raise _Refused("holds a table with other tables or objects as its keys, which is not read here")
            if kind not in (NUMBER, STRING, BOOLEAN):
                raise _Damaged(f"a key of a table of kind {kind}")
            self.skip({NUMBER: 8, BOOLEAN: 4}.get(kind) or self.integer())
            self.value(depth + 1)

    def object(self, index: int, depth: int) -> None:
        name = self.text()
        if name.startswith(b"V "):
            if not _VERSION.fullmatch(name):
                raise _Damaged("a version that is not a number")
            name = self.text()
        class_ = name.decode("ascii", "replace")
        if class_ in STORAGES:
            (count,) = self.longs(1)
            self.skip(count * STORAGES[class_])
            self.lengths[index] = count
        elif class_ in TENSORS:
            self.tensor(TENSORS[class_], depth)
        elif class_ in self.classes:
            self.seen[index] = class_  # set before its fields, which may refer to it
            content = self.value(depth + 1)
            if content is None or self.seen[content] != "table":
                raise _Damaged(f"a {class_} without its table of fields")
        else:
            raise _Refused(f"holds an object of the class {class_[:60]!r}, which is not known here")
        self.seen[index] = class_

    def tensor(self, storage_class: str, depth: int) -> None:
        """Check a tensor: every element must lie inside the storage, and none may occur twice."""
        dimensions = self.integer()
        if not 0 <= dimensions <= DIMENSIONS:
            raise _Damaged(f"a tensor of {dimensions} dimensions")
        sizes, strides, (offset,) = self.longs(dimensions), self.longs(dimensions), self.longs(1)
        storage = self.value(depth + 1)
        if storage is not None and self.seen[storage] != storage_class:
            raise _Damaged(f"a tensor over a {self.seen[storage]} where a {storage_class} belongs")
        length = 0 if storage is None else self.lengths[storage]
        if min((*sizes, *strides, offset - 1), default=0) < 0:
            raise _Damaged(f"a tensor of sizes {sizes}, strides {strides} and offset {offset}")
        if dimensions == 0 or 0 in sizes:
            return
        last = offset - 1 + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if last >= length or math.prod(sizes) > length:
            raise _Damaged(f"a tensor of sizes {sizes}, strides {strides} and offset {offset} in {length} numbers")
