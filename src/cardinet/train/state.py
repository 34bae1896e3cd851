"""Save and restore everything that an exact resume needs, as tensors and plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from cardinet.base.documents import DocumentError
from cardinet.base.errors import WorkError
from cardinet.base.schemas import Count, Document, Seconds, conform
from cardinet.runs.checkpoint import load_checkpoint, save_checkpoint
from cardinet.runs.metrics import EvaluationRow
from cardinet.runs.ranks import Ranks
from cardinet.train.trainee import Trainee
from cardinet.weights.printable import printable


@dataclass
class Window:
    """The sums since the last line of metrics.jsonl."""

    loss: float = 0.0
    wrong: int = 0
    images: int = 0
    steps: int = 0
    seconds: float = 0.0
    waiting: float = 0.0


@dataclass
class Progress:
    """The progress of a run: steps done, the open window, the best evaluation on validation data, seconds worked.

    `stopped` says that a method has ended the run after this step.
    """

    step: int = 0
    window: Window = field(default_factory=Window)
    best: dict[str, Any] | None = None
    seconds: float = 0.0
    stopped: bool = False

    def to_document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Progress:
        """The progress that `to_document` gave."""
        return cls(**{**document, "window": Window(**document["window"])})


class _SavedWindow(Document):
    loss: float
    wrong: Count
    images: Count
    steps: Count
    seconds: Seconds
    waiting: Seconds


class _SavedState(Document):
    """The plain values of a checkpoint. `best` is a line of metrics.jsonl."""

    format: Literal[1] = Field(alias="schema")
    step: Count
    window: _SavedWindow
    best: EvaluationRow | None
    seconds: Seconds
    stopped: bool = False
    metrics_bytes: Count

    @model_validator(mode="after")
    def _check(self) -> _SavedState:
        if not self.window.steps <= self.window.images or not self.window.steps <= self.step:
            raise ValueError("its window has more steps than pictures, or than the run")
        return self


def capture(subject: Trainee) -> dict[str, Tensor]:
    """The parameters, statistics, state of the optimizer and of the methods, and random generators, by name."""
    network = subject.network
    tensors = {f"model.{name}": t for name, t in network.state_dict().items()}
    for name, parameter in subject.named_parameters():
        for key, value in subject.optimizer.state.get(parameter, {}).items():
            if value is None:
                continue
            if not isinstance(value, Tensor):
                kind = type(subject.optimizer).__name__
                raise TypeError(f"{kind} keeps {key} = {value!r} of a parameter: only tensors are saved exactly.")
            tensors[f"optimizer.{name}.{key}"] = value
    for method, hooks in subject.hooks.items():
        tensors |= {f"method.{method}.{name}": tensor for name, tensor in hooks.state().items()}
    return tensors | _random(network)


def restore(subject: Trainee, tensors: dict[str, Tensor], rank: int = 0) -> None:
    """Restore the result of `capture`, in the process `rank`.

    A tensor with the shape of a parameter gets the parameter's memory layout. Raises WorkError if the tensors do not
    belong to this network.
    """
    network = subject.network
    put_weights(network, tensors)
    parameters = dict(subject.named_parameters())
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            name, _, slot = key.removeprefix("optimizer.").rpartition(".")
            if name not in parameters:
                raise WorkError(f"The checkpoint has an entry for no parameter of its network: {printable(key)}.")
            subject.optimizer.state[parameters[name]][slot] = _slot(parameters[name], value, key)
    for method, hooks in subject.hooks.items():
        prefix = f"method.{method}."
        hooks.restore({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    ending = f".{rank}" if rank else ""
    try:
        torch.set_rng_state(tensors[f"random.cpu{ending}"])
        if f"random.cuda{ending}" in tensors:
            torch.cuda.set_rng_state(tensors[f"random.cuda{ending}"], next(network.parameters()).device)
    except (KeyError, TypeError, RuntimeError) as error:
        raise WorkError("The checkpoint lacks the state of torch's random generators.") from error


def _slot(parameter: Tensor, value: Tensor, key: str) -> Tensor:
    """A tensor of the optimizer's state for a parameter: of its shape and layout, or a number such as a step count.

    Raises WorkError for a tensor that no optimizer could have.
    """
    if value.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    if value.numel() > parameter.numel():
        raise WorkError(f"The checkpoint has an entry that is larger than its parameter: {printable(key)}.")
    return value.to(parameter.device, copy=True)


def put_weights(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Restore parameters and statistics only. Raises WorkError if they do not belong to this network."""
    own = network.state_dict()
    saved = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    if own.keys() != saved.keys() or any(own[name].shape != saved[name].shape for name in own):
        raise WorkError("The checkpoint does not belong to the network of its run.toml.")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(saved[name])


def random_of_all(subject: Trainee, ranks: Ranks) -> dict[str, Tensor]:
    """The states of torch's random generators in all processes, for a checkpoint; empty if there is only one process.

    Those of the first process have the names of `capture`, the others a number behind them.
    """
    if ranks.alone:
        return {}
    rows = {name: ranks.rows(state) for name, state in _random(subject.network).items()}
    return {
        f"{name}.{rank}" if rank else name: state.clone()
        for name, row in rows.items()
        for rank, state in enumerate(row)
    }


def _random(network: nn.Module) -> dict[str, Tensor]:
    """The states of torch's random generators in this process."""
    device = next(network.parameters()).device
    states = {"random.cpu": torch.get_rng_state()}
    return states | ({"random.cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def save_state(path: Path, tensors: dict[str, Tensor], progress: Progress, metrics_bytes: int = 0) -> None:
    """Write a checkpoint of a run, with the length of metrics.jsonl, to `path`. Raises WorkError if that fails."""
    save_checkpoint(path, tensors, {**progress.to_document(), "metrics_bytes": metrics_bytes})


def read_state(path: Path) -> tuple[dict[str, Tensor], Progress, int]:
    """The tensors of a checkpoint, the progress of the run, and the length of metrics.jsonl.

    Raises WorkError if the checkpoint is damaged.
    """
    tensors, document = load_checkpoint(path)
    try:
        saved: _SavedState = conform(_SavedState, document)
    except DocumentError as error:
        raise WorkError(f"{path} is damaged: in its state {error}.") from None
    window = Window(**saved.window.model_dump())
    progress = Progress(saved.step, window, document["best"], saved.seconds, saved.stopped)
    return tensors, progress, saved.metrics_bytes
