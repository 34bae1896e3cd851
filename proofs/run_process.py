"""One process of `cardinet` that a proof starts, watches and kills."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

CARDINET = [sys.executable, "-m", "cardinet"]


@dataclass
class Attempt:
    """One process of a run, and the lines that it has printed so far."""

    words: list[str]
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    @property
    def works(self) -> bool:
        """Whether it works in its run folder."""
        return any(line.startswith(("Run folder:", "Resuming")) for line in self.said)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


def launch(words: list[str], folder: Path) -> Attempt:
    """Start `cardinet` in a working folder, and read its output in a thread."""
    process = subprocess.Popen(
        [*CARDINET, *words],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    attempt = Attempt(words, process)
    assert process.stderr is not None
    lines = process.stderr

    def listen() -> None:
        for line in lines:
            attempt.said.append(line.rstrip())

    threading.Thread(target=listen, daemon=True).start()
    return attempt


def finish(words: list[str], folder: Path) -> None:
    """Run `cardinet` to the end in a working folder. If it fails, exit with its output."""
    done = subprocess.run([*CARDINET, *words], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"FAILED with exit code {done.returncode}: cardinet {' '.join(words)}\n{done.stderr}")
