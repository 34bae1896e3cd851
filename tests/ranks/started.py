"""Start one program in several processes that know each other, as torchrun does, without its agent."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(rank: int, count: int, port: int) -> dict[str, str]:
    """The variables of a launcher for one process."""
    own = {"RANK": rank, "WORLD_SIZE": count, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
    return {
        **os.environ,
        **{name: str(value) for name, value in own.items()},
        "MASTER_ADDR": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }


def start(words: Sequence[str], count: int, folder: Path | None = None) -> list[subprocess.Popen[str]]:
    """`python WORDS` in every process."""
    port = free_port()
    return [
        subprocess.Popen(
            [sys.executable, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment(rank, count, port),
        )
        for rank in range(count)
    ]


def said(processes: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """The exit code, stdout and stderr of every process."""
    found = []
    for process in processes:
        out, err = process.communicate(timeout=600)
        found.append((process.returncode, out, err))
    return found


def told(program: str, count: int, *words: str) -> list[Any]:
    """The JSON document that each process of a program in this folder prints."""
    results = said(start(["-m", f"ranks.{program}", *words], count))
    assert all(code == 0 for code, _, _ in results), results
    return [json.loads(out) for _, out, _ in results]
