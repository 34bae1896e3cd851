"""Damage by seed: to the bytes of a file, and to the structure of a document."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cardinet.runs.toml_writer import dumps

MARK = "@@raw@@"
"""Stands in a document for text that no writer would write."""

RAW_JSON = (
    *("NaN", "-Infinity", "1e999", "-1e999", "9" * 5000, "1" + "0" * 30, "1e308", "-0.0", "1e-320"),
    *("[" * 5000 + "]" * 5000, "[" * 100 + "]" * 100, '{"a":' * 3000 + "1" + "}" * 3000, "[" + "1," * 100_000 + "1]"),
)
RAW_TOML = (
    *("nan", "inf", "1e999", "9" * 5000, "0x" + "f" * 5000, "1" + "0" * 30, "2020-01-01", "1979-05-27T07:32:00Z"),
    *("[" * 3000 + "]" * 3000, "{a=" * 200 + "1" + "}" * 200, "[" + "1," * 20_000 + "1]", "'''\n'''"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 7, 10**6, 10**9, 2**31, 2**53, 2**62, -(2**62), 0.5, -0.5, 1e-9, 1e30, 1e300),
    *("", "x", "a\nb\x1b[31m", "\0", "é日", "x" * 100_000, "../../etc", "resnet50", "1e9 epochs", "[1, 2]"),
    *([], {}, [None], [0], [10**9] * 3, [[]], {"part": "Stem"}, {"part": 3}, {"": 0}, ["x"] * 1000),
)


def bytes_damaged(data: bytes, draw: random.Random) -> bytes:
    """Other bytes: some bits flipped, a piece cut out, put in, doubled or emptied, or the end missing."""
    while True:
        changed = bytearray(data)
        at = draw.randrange(len(data))
        if draw.random() < 0.5:  # where the structure is
            at = draw.randrange(min(len(data), 4096))
        length = draw.choice((1, 2, 8, 100, 5000))
        kind = draw.choice(("bit", "bit", "bit", "byte", "cut", "insert", "double", "zero", "end"))
        if kind == "bit":
            changed[at] ^= 1 << draw.randrange(8)
        elif kind == "byte":
            changed[at] = draw.randrange(256)
        elif kind == "cut":
            del changed[at : at + length]
        elif kind == "insert":
            changed[at:at] = draw.randbytes(length)
        elif kind == "double":
            changed[at:at] = changed[at : at + length]
        elif kind == "zero":
            changed[at : at + length] = bytes(len(changed[at : at + length]))
        else:
            del changed[at:]
        if changed != data:
            return bytes(changed)


def json_damaged(document: Any, draw: random.Random) -> str:
    """The text of a JSON document with one part of another kind, missing, renamed, doubled or beyond all bounds."""
    while True:
        changed, raw = _changed(document, draw, RAW_JSON)
        if raw is not None:
            return json.dumps(changed).replace(json.dumps(MARK), raw)
        if json.dumps(changed) != json.dumps(document):
            return json.dumps(changed)


def toml_damaged(document: Mapping[str, Any], draw: random.Random) -> str:
    """As `json_damaged`, of TOML."""
    changed, raw = _changed(document, draw, RAW_TOML)
    text = dumps(changed if isinstance(changed, dict) else {"a": changed})
    return text if raw is None else text.replace(json.dumps(MARK), raw)


def _changed(document: Any, draw: random.Random, raws: tuple[str, ...]) -> tuple[Any, str | None]:
    whole = {"": copy.deepcopy(document)}
    holder, key = draw.choice(list(_places(whole)))
    kind = draw.choice(("value", "value", "value", "raw", "raw", "remove", "rename", "near"))
    raw = None
    if kind == "raw":
        raw = draw.choice(raws)
        holder[key] = MARK
    elif kind == "near" and isinstance(holder[key], int | float):
        holder[key] = draw.choice((-holder[key], holder[key] + 1, holder[key] * 1000, str(holder[key])))
    elif kind == "remove" and holder is not whole:
        del holder[key]
    elif kind == "rename" and isinstance(holder, dict) and holder is not whole:
        holder[f"{key}_"] = holder.pop(key)
    else:
        holder[key] = draw.choice(VALUES)
    return whole[""], raw


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document: what holds it, and its key; of a long list the first few."""
    for key in list(holder) if isinstance(holder, dict) else range(min(len(holder), 5)):
        yield holder, key
        if isinstance(holder[key], dict | list) and holder[key]:
            yield from _places(holder[key])


Damage = Callable[[bytes, random.Random], bytes]


def of_json(data: bytes, draw: random.Random) -> bytes:
    return json_damaged(json.loads(data), draw).encode("utf-8", "surrogatepass")


def of_lines(data: bytes, draw: random.Random) -> bytes:
    """One line of a file of JSON lines."""
    lines = data.split(b"\n")
    row = draw.randrange(len(lines) - 1)
    lines[row] = of_json(lines[row], draw)
    return b"\n".join(lines)


def of_toml(data: bytes, draw: random.Random) -> bytes:
    import tomllib

    return toml_damaged(tomllib.loads(data.decode()), draw).encode("utf-8", "surrogatepass")


def of_metadata(sealed_again: bool) -> Damage:
    """A document in the metadata of a safetensors file, or its header; with or without checksums that fit it."""

    def damage(data: bytes, draw: random.Random) -> bytes:
        import safetensors.torch

        from cardinet.weights.checksums import KEY, with_checksums

        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        metadata = header["__metadata__"]
        if not sealed_again and draw.random() < 0.3:  # the header itself
            text = json_damaged(header, draw).encode("utf-8", "surrogatepass")
            return len(text).to_bytes(8, "little") + text + data[8 + length :]
        name = draw.choice([key for key in metadata if key not in (KEY, "format")])
        metadata[name] = json_damaged(json.loads(metadata[name]), draw)
        if sealed_again:
            del metadata[KEY]
            return b"".join(with_checksums(safetensors.torch.load(data), metadata))
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + data[8 + length :]

    return damage
