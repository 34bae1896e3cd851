"""Find out within seconds whether a server answers. The libraries' own clients try for minutes."""

from __future__ import annotations

import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

SECONDS = 4.0
DOWN = {502, 503, 504}
"""HTTP statuses of a gateway or proxy that cannot reach the server."""


def unreachable(ask: Callable[[float], Any], seconds: float = SECONDS) -> str:
    """Why a request fails or takes too long, in a few words; empty if it succeeds.

    `ask` gets the limit in seconds, makes the request and returns a response. It runs in a thread, because the lookup
    of a host name ignores limits; a thread that does not return is abandoned.
    """
    answer: queue.SimpleQueue[str] = queue.SimpleQueue()

    def run() -> None:
        try:
            status = getattr(ask(seconds), "status_code", 200)
            answer.put(f"HTTP status {status}" if status in DOWN else "")
        except Exception as error:  # a library's client may raise anything
            answer.put(short_reason(error))

    threading.Thread(target=run, daemon=True).start()
    try:
        return answer.get(timeout=seconds + 0.5)
    except queue.Empty:
        return f"no answer in {seconds:g} seconds"


def head_request(address: str) -> Callable[[float], Any]:
    """A HEAD request with urllib, which torch uses for downloads, to the server of an address."""

    def ask(seconds: float) -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=seconds).close()
        except urllib.error.HTTPError as error:
            if error.code in DOWN:
                raise

    return ask


def short_reason(error: BaseException) -> str:
    """The first line of a library's error. Of a URLError it is the reason inside."""
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        error = error.reason if isinstance(error.reason, BaseException) else error
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
