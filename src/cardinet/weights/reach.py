"""Whether a server answers, known in seconds: the clients of the libraries try for minutes before they say no."""

from __future__ import annotations

import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

SECONDS = 4.0
DOWN = {502, 503, 504}
"""Statuses with which a gateway or proxy says that there is no server behind it."""


def unreachable(ask: Callable[[float], Any], seconds: float = SECONDS) -> str:
    """Why a request does not get through in time, in a few words; nothing where it does.

    `ask` makes the request, is told how many seconds it has, and returns a response. As looking up a name keeps to
    no limit, it runs in a thread, which is left behind when it does not return.
    """
    answer: queue.SimpleQueue[str] = queue.SimpleQueue()

    def run() -> None:
        try:
            status = getattr(ask(seconds), "status_code", 200)
            answer.put(f"HTTP status {status}" if status in DOWN else "")
        except Exception as error:  # whatever the client of a library raises
            answer.put(in_short(error))

    threading.Thread(target=run, daemon=True).start()
    try:
        return answer.get(timeout=seconds + 0.5)
    except queue.Empty:
        return f"no answer in {seconds:g} seconds"


def asking(address: str) -> Callable[[float], Any]:
    """The request by which it is seen whether the server of an address answers urllib, by which torch downloads."""

    def ask(seconds: float) -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=seconds).close()
        except urllib.error.HTTPError as error:
            if error.code in DOWN:
                raise

    return ask


def in_short(error: BaseException) -> str:
    """The first line of a library's error, without what it wraps around a reason."""
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        error = error.reason if isinstance(error.reason, BaseException) else error
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
