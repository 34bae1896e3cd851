"""The shards that a text names: braces, globs, folders and addresses of web servers."""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cardinet.base.errors import Findings, RequestError, nearest

MOST = 100_000
"""The most shards that a text may name."""

SHOWN = 3
"""The missing shards that are named; the others are counted."""

ENDS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".tar.bz2")
"""The names of shards in a folder. The compressed ones are refused later, by their content."""

_RANGE = re.compile(r"(\d+)\.\.(\d+)(?:\.\.(\d+))?")


def is_address(text: str) -> bool:
    """Whether a place is one of a web server, or of another system, and not a path."""
    return re.match(r"[a-z][a-z0-9+.-]*://|pipe:", text, re.IGNORECASE) is not None


def shard_places(text: str) -> list[str]:
    """The paths and addresses of the shards, in order and each once; `::` stands between several texts.

    `{000..099}` is a range (with leading zeros if they are written) and `{a,b}` a choice, as in webdataset. `*`, `?`
    and `[...]` are globs of paths. Of a folder all .tar files below it are read. Raises RequestError with all places
    that hold nothing.
    """
    findings, found, missing = Findings(), list[str](), list[str]()
    for part in text.split("::"):
        with findings:
            for one in [part] if os.path.lexists(part) else expanded(part):
                found += [_address(one)] if is_address(one) else _paths(one, missing)
    with findings:
        if missing:
            more = len(missing) - SHOWN
            sentences = [_absent(path) for path in missing[:SHOWN]]
            raise RequestError(*sentences, *([f"... and {more:,} more shards are missing."] if more > 0 else []))
    findings.raise_if_any()
    return list(dict.fromkeys(found))


def expanded(text: str) -> list[str]:
    """The texts that braces stand for, in the order of a shell. Raises RequestError for more than `MOST`."""
    found = list(itertools.islice(_expanded(text), MOST + 1))
    if len(found) > MOST:
        raise RequestError(f'"{text}" names more than {MOST:,} shards.')
    return found


def _expanded(text: str) -> Iterator[str]:
    for start, sign in enumerate(text):
        if sign != "{":
            continue
        end, commas = _closing(text, start)
        inside = text[start + 1 : end]
        choices: Iterable[str] = ()
        if end and commas:
            edges = [start, *commas, end]
            choices = (text[a + 1 : b] for a, b in itertools.pairwise(edges))
        elif end and (found := _RANGE.fullmatch(inside)):
            choices = _numbers(found[1], found[2], int(found[3] or 1) or 1)
        else:
            continue
        for choice in choices:
            for middle in _expanded(choice):
                for rest in _expanded(text[end + 1 :]):
                    yield text[:start] + middle + rest
        return
    yield text


def _closing(text: str, start: int) -> tuple[int, list[int]]:
    """The place of the brace that closes the one at `start` (0 without one), and of the commas between them."""
    depth, commas = 0, list[int]()
    for place in range(start, len(text)):
        if text[place] == "{":
            depth += 1
        elif text[place] == "}":
            depth -= 1
            if not depth:
                return place, commas
        elif text[place] == "," and depth == 1:
            commas.append(place)
    return 0, []


def _numbers(first: str, last: str, step: int) -> Iterator[str]:
    start, stop = int(first), int(last)
    width = max(len(first), len(last)) if "0" in (first[0] * (len(first) > 1), last[0] * (len(last) > 1)) else 0
    numbers = range(start, stop + 1, step) if start <= stop else range(start, stop - 1, -step)
    return (str(number).zfill(width) for number in numbers)


def _address(text: str) -> str:
    """Raises RequestError for an address that cannot be read."""
    scheme = text.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        raise RequestError(f'"{text}": shards are read from files, http and https, and not from {scheme}.')
    if any(sign in text for sign in "*[]"):
        raise RequestError(f'"{text}": a web server does not list its files; write a range such as {{0000..0099}}.')
    if not urlsplit(text).hostname:
        raise RequestError(f'"{text}" names no web server; write http://SERVER/PATH.')
    return text


def _paths(text: str, missing: list[str]) -> list[str]:
    """The shards at a path, in a folder or of a glob; a path that does not exist is added to `missing`."""
    path = os.path.expanduser(text)
    if os.path.isdir(path):
        found = sorted(str(one) for one in Path(path).rglob("*") if _is_shard(one, Path(path)))
        if not found:
            raise RequestError(f"{text} holds no .tar files.")
        return found
    if os.path.lexists(path):
        if not os.path.isfile(path):
            raise RequestError(f"{text} is not a regular file; give .tar files.")
        return [path]
    if glob.has_magic(path):
        found = sorted(one for one in glob.glob(path, recursive=True) if os.path.isfile(one))
        if not found:
            raise RequestError(f"No file matches {text} ({_near(path)}).")
        return found
    missing.append(text)
    return []


def _is_shard(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.name.lower().endswith(ENDS) and not hidden and path.is_file()


def _absent(text: str) -> str:
    return f"There is no shard {text} ({_near(os.path.expanduser(text))})."


def _near(path: str) -> str:
    """The nearest names in the folder of a path that does not exist."""
    folder = next(one for one in Path(os.path.abspath(path)).parents if one.is_dir())
    if str(folder) != os.path.dirname(os.path.abspath(path)):
        return f"there is no folder {os.path.dirname(path)}"
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(ENDS))
    except OSError as error:
        return f"{folder} cannot be read: {error.strerror}"
    return nearest(os.path.basename(path), names) if names else f"{folder} holds no .tar files"
