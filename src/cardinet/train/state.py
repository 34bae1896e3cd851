"""Everything that an exact resume needs, captured as tensors and plain values and put back again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import WorkError
from cardinet.runs.checkpoint import save_checkpoint
from cardinet.runs.folder import RunFolder


@dataclass
class Window:
    """What has been added up since the last line of metrics.jsonl."""

    loss: float = 0.0
    wrong: int = 0
    images: int = 0
    steps: int = 0
    seconds: float = 0.0
    waiting: float = 0.0


@dataclass
class Progress:
    """Where a run stands: steps done, the open window, the best evaluation on validation data, seconds worked."""

    step: int = 0
    window: Window = field(default_factory=Window)
    best: dict[str, Any] | None = None
    seconds: float = 0.0

    def to_document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Progress:
        known = {k: document[k] for k in ("step", "best", "seconds")}
        return cls(window=Window(**document["window"]), **known)


def capture(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The parameters, statistics, optimizer state and random generators, by name."""
    tensors = {f"model.{name}": t for name, t in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{name}.{key}"] = value
    tensors["random.cpu"] = torch.get_rng_state()
    device = next(network.parameters()).device
    if device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(device)
    return tensors


def restore(network: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `capture` took; every tensor is copied into the layout of its parameter.

    Raises WorkError when the tensors are not those of this network.
    """
    own = network.state_dict()
    saved = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    if own.keys() != saved.keys() or any(own[name].shape != saved[name].shape for name in own):
        raise WorkError("The checkpoint does not belong to the network of its run.toml.")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(saved[name])
    parameters = dict(network.named_parameters())
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            name, _, slot = key.removeprefix("optimizer.").rpartition(".")
            optimizer.state[parameters[name]][slot] = torch.empty_like(parameters[name]).copy_(value)
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], next(network.parameters()).device)


def save_state(
    path: Path, folder: RunFolder, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write a checkpoint of a run to `path`; it says how long metrics.jsonl is. Raises WorkError if it cannot."""
    state = {**progress.to_document(), "metrics_bytes": folder.metrics_bytes()}
    save_checkpoint(path, capture(network, optimizer), state)
