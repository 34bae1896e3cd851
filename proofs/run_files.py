"""What a finished run has written, compared without the values that a clock has measured."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

from cardinet.runs.checkpoint import load_checkpoint

TIMES = ("seconds", "images_per_second", "waiting", "metrics_bytes")
"""The values that depend on a clock, and the size of the file that holds them."""

WHOLE = ("model.safetensors", "evaluation.json")
"""The files without such a value."""


def last_row(run: Path) -> dict[str, Any]:
    """The last whole line of metrics.jsonl, or {} if there is none."""
    try:
        with open(run / "metrics.jsonl", "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 600))
            lines = file.read().split(b"\n")[:-1]
        return dict(json.loads(lines[-1]))
    except (OSError, ValueError, IndexError):
        return {}


def plain(document: Any) -> Any:
    """A document without the values that a clock has measured."""
    if isinstance(document, dict):
        return {key: plain(value) for key, value in document.items() if key not in TIMES}
    return document


def recorded(run: Path) -> dict[str, Any]:
    """run.toml without its date, its launch and the command, which names the folders."""
    document = tomllib.loads((run / "run.toml").read_text())
    return {key: value for key, value in document.items() if key not in ("created", "command", "launch")}


def differences(one: Path, other: Path) -> list[str]:
    """The files and tensors that differ between two finished runs."""
    found = []
    for name in ("checkpoints/last.safetensors", "checkpoints/best.safetensors"):
        (mine, state), (its, other_state) = load_checkpoint(one / name), load_checkpoint(other / name)
        found += [f"{name}: {key}" for key in sorted(mine.keys() | its.keys()) if not same(mine, its, key)]
        if plain(state) != plain(other_state):
            found.append(f"{name}: the loop's state")
    if rows(one) != rows(other):
        found.append(f"metrics.jsonl ({len(rows(one))} and {len(rows(other))} lines)")
    if recorded(one) != recorded(other):
        found.append("run.toml")
    return found + [name for name in WHOLE if (one / name).read_bytes() != (other / name).read_bytes()]


def rows(run: Path) -> list[Any]:
    return [plain(json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()]


def same(mine: dict[str, Any], its: dict[str, Any], key: str) -> bool:
    if key not in mine or key not in its or mine[key].dtype != its[key].dtype:
        return False
    return bool(mine[key].numpy().tobytes() == its[key].numpy().tobytes())
