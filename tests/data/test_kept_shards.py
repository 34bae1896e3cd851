"""The locks on files: a process that is forked while one is held must not keep it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from cardinet.base.files import locked
from cardinet.data.kept_shards import _locked

LOCKS: dict[str, Callable[[Path], AbstractContextManager[Any]]] = {
    "a run folder": lambda folder: locked(folder, "taken"),
    "an unfinished shard": lambda folder: _locked(folder / "shard.part"),
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_forked_process_does_not_keep_a_lock(name: str, tmp_path: Path) -> None:
    """Worker processes are forked at any moment, also while a thread fetches a shard."""
    with LOCKS[name](tmp_path):
        worker = os.fork()
        if worker == 0:  # lives on with the handle
            signal.pause()
            os._exit(0)
    try:
        asking = os.fork()
        if asking == 0:
            signal.alarm(20)  # ends this process if it waits
            with LOCKS[name](tmp_path):
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(asking, 0)[1]) == 7
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
