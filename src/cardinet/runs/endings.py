"""How the processes of one run end by an error: one of them says the reason for all.

A process that fails leaves its reason with the store through which the processes have met, and only then closes its
connections. So the leader, which hears that a connection was closed, finds the reason there.
"""

from __future__ import annotations

import gc
import json
import os
import re
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

import torch.distributed as dist

from cardinet.base.errors import CardinetError, WorkError, of_the_system

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

PATIENCE = 5.0
"""The seconds that a failed process waits for the leader to say it. It speaks itself if the leader is gone too."""

SIGNS = (
    "gloo",
    "NCCL",
    "Connection closed",
    "Connection reset",
    "socket",
    "Socket",
    "store",
    "rendezvous",
    "init_method",
)
"""Words in torch's errors for a lost connection."""

_PLACE = re.compile(r"\[\S*:\d+\] ")
"""The line of torch's own code before the words of an error."""


class Place(Protocol):
    """A process among others, as `Ranks` is one."""

    @property
    def rank(self) -> int: ...

    @property
    def count(self) -> int: ...

    @property
    def leads(self) -> bool: ...


class ProcessLost(WorkError):
    """Another process of the run has ended, or cannot be reached. A launcher may start all of them again."""


class Ended(CardinetError):
    """The error of another process; without findings, another process says the one of this process."""

    def __init__(self, code: int, *findings: str) -> None:
        super().__init__(*findings)
        self.exit_code = code

    def __reduce__(self) -> tuple[type[Ended], Any]:
        return type(self), (self.exit_code, *self.findings)


@contextmanager
def heard() -> Iterator[None]:
    """Turn the errors of a lost connection into ProcessLost."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if not any(sign in str(error) for sign in SIGNS):
            raise
        words = _PLACE.sub("", str(error).splitlines()[0]).partition(". ")[0].rstrip(".")
        raise ProcessLost(f"Another process of this run has ended, or cannot be reached ({words:.120}).") from error


def for_one_voice(error: BaseException, ranks: Place, store: Store) -> BaseException:
    """The error to raise in place of one that ends a connected process, so that one process says it for all.

    The leader gets the reason of another process if it has only lost its connection. Any other process becomes silent
    as soon as the leader speaks; one that has only lost its connection ends with the leader's code. This closes the
    connections of the process.
    """
    with suppress(RuntimeError):  # the process that keeps the store may be gone
        return _of_leader(error, ranks.count, store) if ranks.leads else _of_another(error, ranks.rank, store)
    return error


def _of_leader(error: BaseException, count: int, store: Store) -> BaseException:
    found = _reason(store) if isinstance(error, ProcessLost) else error
    told = _for_users(found or error)
    store.set("said", str(told.exit_code if told else 1))
    _close(error)
    if found is not None and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        _wait(lambda: store.add("known", 0) >= count - 1)  # the store ends with this process
    return found or error


def _of_another(error: BaseException, rank: int, store: Store) -> BaseException:
    own = _for_users(error)
    findings = [f"{type(error).__name__}: {error}"] if own is None else own.findings
    if findings and not isinstance(error, ProcessLost) and store.add("reasons", 1) == 1:
        store.set("reason", json.dumps([own.exit_code if own else 1, [f"process {rank}: {text}" for text in findings]]))
    _close(error)
    said = _wait(lambda: store.check(["said"]))
    store.add("known", 1)
    if own is None or not said:
        return error
    if not isinstance(error, ProcessLost):
        return Ended(own.exit_code)
    code = int(store.get("said"))  # the leader may end, as after Ctrl-C, while this process still waits for it
    return ProcessLost() if code == 1 else Ended(code)


def _for_users(error: BaseException) -> CardinetError | None:
    """An error as its user reads it; None for a fault of the program, which has its traceback."""
    if isinstance(error, CardinetError):
        return error
    return Ended(130, "Stopped.") if isinstance(error, KeyboardInterrupt) else of_the_system(error)


def _close(error: BaseException) -> None:
    """Close the connections, which the local variables of the calls that failed may still hold."""
    links: BaseException | None = error
    while links is not None:
        traceback.clear_frames(links.__traceback__)
        links = links.__cause__ or links.__context__
    dist.destroy_process_group()
    gc.collect()


def _wait(there: Callable[[], bool]) -> bool:
    """Whether something happens in time."""
    until = time.monotonic() + PATIENCE
    while not (found := there()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _reason(store: Store) -> Ended | None:
    """The reason that another process has left; None if it was ended from outside."""
    if not store.check(["reason"]):
        return None
    code, findings = json.loads(store.get("reason"))
    return Ended(code, *findings)
