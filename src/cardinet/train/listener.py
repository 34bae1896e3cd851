"""The events of a training run for its observers. The command line draws a bar or prints lines from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tick:
    """One step done: `loss` is the mean of the current window, `images_per_second` its speed without evaluations."""

    step: int
    length: int
    epoch: float
    loss: float
    images_per_second: float
    seconds_left: float


class Listener:
    """Ignores all events. A subclass overrides the methods for the events that it shows."""

    def said(self, text: str) -> None:
        """A sentence for the user."""

    def progress(self, what: str, done: int, total: int) -> None:
        """A side task (checking pictures, evaluating) has done `done` of `total`."""

    def stepped(self, tick: Tick) -> None:
        """A step is done."""

    def logged(self, row: dict[str, Any]) -> None:
        """A line was added to metrics.jsonl."""
