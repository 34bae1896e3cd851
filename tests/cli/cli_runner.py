"""What a command leaves, in this process or in one of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from typer.core import TyperGroup


@dataclass(frozen=True)
class Said:
    """The exit code of a command, its document and its talk."""

    code: int
    out: str
    err: str


Cli = Callable[..., Said]


def command_line() -> TyperGroup:
    """`cardinet` itself; its `commands` are the verbs by name."""
    from typer.main import get_command

    from cardinet.cli.verbs import app

    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def process(*words: str | Path, cwd: Path, **environment: str) -> Said:
    """`cardinet` in a process of its own."""
    import os

    command = [sys.executable, "-m", "cardinet", *map(str, words)]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1", **environment}
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())
