"""A machine with as much memory as a test says."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from cardinet.measure import available_memory as available


def with_memory(patch: pytest.MonkeyPatch, root: Path, free: int) -> None:
    """So many bytes are available, rounded down to kilobytes, whoever asks; `root` gets a made-up /proc."""
    file = root / "proc/meminfo"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"MemAvailable: {free // 1024} kB\n")
    patch.setattr(available, "SYSTEM", root)
    patch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
