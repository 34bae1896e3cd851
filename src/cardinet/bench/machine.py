"""The machine of a measurement: processor, cores, what it can, the versions of all libraries, and how busy it is."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from cardinet.runs.environment import hardware, versions

FEATURES = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8", "asimd", "bf16", "sve")
LIBRARIES = ("timm", "onnxruntime", "openvino", "nncf", "triton")

WATCHED = 0.5
"""Seconds in which other work is watched."""

QUIET = 0.1
"""The most cores that other programs may use on a quiet machine."""


def described(device: str, threads: int) -> dict[str, Any]:
    """The machine as plain data; a package that is not installed is missing."""
    found: dict[str, Any] = {**hardware(device), "threads": threads, "features": features(), "commit": commit()}
    found["versions"] = dict(versions())
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found["versions"][name] = metadata.version(name)
    return found


def features() -> list[str]:
    """The instruction sets of the processor that matter for networks; empty where the system does not tell."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return [name for name in FEATURES if name in line.split()]
    return []


def commit() -> str | None:
    """The commit of a checkout that Cardinet runs from, with a plus if files have changed; None if it is installed."""
    folder = Path(__file__).parents[3]
    if not (folder / ".git").exists():
        return None
    with suppress(OSError, subprocess.SubprocessError):
        git = ["git", "-C", str(folder)]
        told = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=10)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=10)
        if told.returncode == 0:
            return told.stdout.strip() + ("+" if changed.stdout.strip() else "")
    return None


def busy() -> float | None:
    """How many cores are busy while this program waits; None where the system does not tell."""
    before = _busy_seconds()
    started = time.perf_counter()
    time.sleep(WATCHED)
    after = _busy_seconds()
    if before is None or after is None:
        return None
    return max(0.0, (after - before) / (time.perf_counter() - started))


def _busy_seconds() -> float | None:
    """The seconds of all cores that were not idle since the machine started."""
    try:
        words = Path("/proc/stat").read_text().splitlines()[0].split()
    except (OSError, IndexError):
        return None
    ticks = [int(word) for word in words[1:9]]  # user, nice, system, idle, iowait, irq, softirq, steal
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def load() -> dict[str, Any]:
    """How busy the machine is now: cores, and the system's load of the last minute."""
    average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"busy_cores": busy(), "load_average": average}


def warnings(start: dict[str, Any], end: dict[str, Any]) -> list[str]:
    """A sentence on a machine that was not quiet, if it was not."""
    found = {when: about["busy_cores"] for when, about in (("start", start), ("end", end))}
    busy = [f"{cores:.1f} cores at the {when}" for when, cores in found.items() if cores is not None and cores > QUIET]
    if not busy:
        return []
    return [
        f"The machine was not quiet: other programs used {' and '.join(busy)}. Contenders run in turn, so ratios hold "
        "better than times; measure again on a quiet machine."
    ]
