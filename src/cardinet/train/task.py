"""What a run trains on what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source
from cardinet.train.recipe import Recipe
from cardinet.train.schedule import Clock


@dataclass(frozen=True)
class Task:
    """What is trained on what: all that stays the same during a run."""

    recipe: Recipe
    clock: Clock
    spec: Any
    source: Source
    preprocessing: Preprocessing
    device: str
    precision: str

    @property
    def judge(self) -> str | None:
        """The split that is evaluated during training: validation, or test where there is no other."""
        return next((name for name in ("validation", "test") if name in self.source.splits), None)
