"""Short training runs, and the comparison of what they leave behind, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from cardinet.runs.checkpoint import load_checkpoint
from cardinet.runs.folder import RunFolder
from cardinet.train.job import start
from cardinet.train.listener import Listener
from cardinet.train.request import Request, resolve
from cardinet.weights.read_file import read_tensors

TINY: dict[str, Any] = {
    "network.id": "resnet20_cifar",
    "network.depths": [1, 1, 1],
    "network.widths": [4, 8, 8],
    "network.width": 4,
    "threads": 1,
    "workers": 0,
}
"""A network of three small units, which the digits suit too."""

TIMES = ("seconds", "images_per_second", "waiting")
"""What a clock has measured; everything else in metrics.jsonl has to repeat."""

DIGITS: dict[str, Any] = {
    "length": "50 steps",
    "log_every": "4 steps",
    "evaluate_every": "18 steps",
    "checkpoint_seconds": 1e6,
}
"""A run of about a second: 39 steps are an epoch; windows, evaluations and epochs end at different steps."""

PHOTOGRAPHS: dict[str, Any] = {
    "network.id": "resnet20_cifar",
    "size": 32,
    "batch_size": 4,
    "threads": 1,
    "length": "15 steps",
    "log_every": "4 steps",
    "evaluate_every": "7 steps",
    "checkpoint_seconds": 1e6,
}
"""A run on the pictures of `make_photographs`: 6 steps are an epoch."""


def train(out: Path, settings: dict[str, Any], listener: Listener | None = None) -> RunFolder:
    """A run in this process, to its end."""
    listener = listener or Listener()
    return start(resolve(Request(settings=tuple(settings.items()), out=out), listener), listener)


def make_photographs(root: Path) -> Path:
    """train/ with 3 classes of 8 JPEGs and val/ with 2 of each, of several sizes."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2)):
        for name in ("ant", "bee", "cat"):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (70 + 3 * i, 80 - 2 * i, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.jpg")
    return root


def rows(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without times and speeds."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def progress(state: dict[str, Any]) -> dict[str, Any]:
    """The loop's state without times, and without the length of metrics.jsonl, in which times are written."""
    window = {key: value for key, value in state["window"].items() if key not in TIMES}
    return {**{k: v for k, v in state.items() if k not in (*TIMES, "metrics_bytes")}, "window": window}


def as_bytes(tensors: dict[str, Tensor]) -> dict[str, bytes]:
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in tensors.items()}


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two finished runs; an empty list means: the same bits."""
    found = []
    for name in ("last", "best"):
        file = Path("checkpoints") / f"{name}.safetensors"
        if not (one / file).exists() and not (other / file).exists():  # where nothing is selected
            continue
        (tensors, state), (others, other_state) = load_checkpoint(one / file), load_checkpoint(other / file)
        mine, its = as_bytes(tensors), as_bytes(others)
        found += [f"{name}: {key}" for key in sorted(mine.keys() | its.keys()) if mine.get(key) != its.get(key)]
        if progress(state) != progress(other_state):
            found.append(f"{name}: the loop's state")
    if as_bytes(read_tensors(one / "model.safetensors")) != as_bytes(read_tensors(other / "model.safetensors")):
        found.append("model.safetensors")
    if rows(one) != rows(other):
        found.append("metrics.jsonl")
    if (one / "evaluation.json").read_bytes() != (other / "evaluation.json").read_bytes():
        found.append("evaluation.json")
    return found


def kinds_of_tensors(folder: Path) -> dict[str, int]:
    """How many tensors of each kind the last checkpoint holds: the proof that a comparison compared them."""
    names = list(load_checkpoint(folder / "checkpoints" / "last.safetensors")[0])
    statistics = sum("running_" in name for name in names)
    return {
        "parameters and counters": sum(name.startswith("model.") for name in names) - statistics,
        "statistics": statistics,
        "momenta": sum(name.startswith("optimizer.") and name.endswith(".momentum_buffer") for name in names),
        "generators": sum(name.startswith("random.") for name in names),
    }
