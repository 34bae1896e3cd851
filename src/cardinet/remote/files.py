"""Files of web servers: what they are, and a download that survives stalls, cuts and servers that are away."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cardinet.base.errors import WorkError
from cardinet.remote.reachability import short_reason

STALL = 20.0
"""Seconds without a byte after which a connection is given up."""

TRIES = 6
"""The tries in a row that bring nothing new, after which a file is given up."""

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
"""Seconds before the second try; each further wait is twice as long, up to the longest."""

LATER = {408, 425, 429, 500, 502, 503, 504}
"""HTTP statuses that may be better later."""

BLOCK = 1 << 20

R = TypeVar("R")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a web server: its address, its bytes, and the server's mark of this version ("" without one)."""

    url: str
    size: int
    version: str


class _Failure(Exception):
    """A try has failed. `final` failures are not tried again; `wait` is what the server asks for, in seconds."""

    def __init__(self, reason: str, *, final: bool = False, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.final, self.wait = final, wait


def look_at(url: str) -> RemoteFile:
    """What a server says of a file. Raises WorkError if it does not answer, or does not state the file's size."""

    def ask(_: int) -> RemoteFile:
        try:
            with _opened(url, method="HEAD") as answer:
                return _described(url, answer)
        except _Failure as failure:
            if "HTTP 405" not in str(failure) and "HTTP 501" not in str(failure):
                raise
        with _opened(url) as answer:  # the server knows no HEAD; the connection is closed before the content
            return _described(url, answer)

    return _again(url, ask, lambda: 0)


def fetch(file: RemoteFile, target: Path) -> None:
    """Write a file to `target`, which may hold its beginning: the rest is asked for (Range) where the server can.

    Raises WorkError after `TRIES` tries in a row without a new byte, and if the file has changed since `look_at`.
    """

    def ask(_: int) -> None:
        have = target.stat().st_size if target.exists() else 0
        if have == file.size:
            return
        headers = {} if not 0 < have < file.size else {"Range": f"bytes={have}-"}
        if headers and file.version:
            headers["If-Range"] = file.version
        with _opened(file.url, headers) as answer:
            if answer.status != 206:
                have = 0
                if (now := _described(file.url, answer)) != file:
                    raise _Failure(_changed(file, now), final=True)
            else:
                part, _, total = answer.headers.get("Content-Range", "").partition("/")
                if not part.startswith(f"bytes {have}-"):
                    raise _Failure("it answers with another part than the asked one")
                now = RemoteFile(file.url, int(total) if total.isdigit() else file.size, _version(answer))
                if now != file:
                    raise _Failure(_changed(file, now), final=True)
            _copy(answer, target, have, file.size)

    _again(file.url, ask, lambda: target.stat().st_size if target.exists() else 0)


def _copy(answer: Any, target: Path, start: int, size: int) -> None:
    try:
        with open(target, "r+b" if target.exists() else "wb") as out:
            out.truncate(start)
            out.seek(start)
            while block := answer.read1(BLOCK):
                out.write(block)
                if out.tell() > size:
                    raise _Failure(f"it sends more than the {size:,} bytes that it has stated", final=True)
            if out.tell() < size:
                raise _Failure(f"the connection ended after {out.tell():,} of {size:,} bytes")
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise _Failure(_reason(error)) from error
    except OSError as error:
        raise WorkError(f"{target} could not be written: {error.strerror or error}.") from error


def _again(url: str, ask: Callable[[int], R], progress: Callable[[], int]) -> R:
    """The result of a try, which is repeated after a wait. `progress` counts the bytes that have come."""
    began, tries, most = time.monotonic(), 0, progress()
    while True:
        try:
            return ask(tries)
        except _Failure as failure:
            tries, most = (0, progress()) if progress() > most else (tries + 1, most)
            if failure.final:
                raise WorkError(f"{url} cannot be read: {failure}.") from None
            if tries >= TRIES:
                come = f"; {most:,} bytes have come and are kept" if most else ""
                raise WorkError(
                    f"{url} cannot be read: {failure} ({tries} tries without a new byte in "
                    f"{time.monotonic() - began:.0f} s{come}). Try again when the server answers."
                ) from None
            time.sleep(min(LONGEST_WAIT, max(failure.wait, FIRST_WAIT * 2 ** max(0, tries - 1))))


def _opened(url: str, headers: dict[str, str] | None = None, method: str = "GET") -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "cardinet", **(headers or {})}, method=method)
    try:
        return urllib.request.urlopen(request, timeout=STALL)
    except urllib.error.HTTPError as error:
        wait = error.headers.get("Retry-After", "") if error.headers else ""
        error.close()
        reason = f"HTTP {error.code} {error.reason}".strip()
        seconds = float(wait) if wait.isdigit() else 0.0
        raise _Failure(reason, final=error.code not in LATER, wait=seconds) from None
    except (OSError, http.client.HTTPException) as error:
        raise _Failure(_reason(error)) from None
    except ValueError as error:
        raise WorkError(f"{url} is no address of a file ({short_reason(error)}).") from None


def _described(url: str, answer: Any) -> RemoteFile:
    size = answer.headers.get("Content-Length", "")
    if not size.isdigit():
        raise _Failure("the server does not state the size of the file", final=True)
    return RemoteFile(url, int(size), _version(answer))


def _version(answer: Any) -> str:
    return answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""


def _changed(before: RemoteFile, now: RemoteFile) -> str:
    sizes = f"{before.size:,} bytes then, {now.size:,} now" if before.size != now.size else "another version"
    return f"the file has changed since it was opened ({sizes})"


def _reason(error: BaseException) -> str:
    return f"no byte came in {STALL:g} seconds" if "timed out" in str(error) else short_reason(error)
