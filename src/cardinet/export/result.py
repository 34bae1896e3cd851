"""The result of an export, with its proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardinet.export.latency import Latency
from cardinet.export.parity import Parity
from cardinet.export.request import Request


@dataclass(frozen=True)
class Export:
    """A written file and its proof.

    `parity`, `sizes` (bytes) and the medians in `latency` are by contender: "float32" and "int8" are files,
    "bfloat16" and "int8+bfloat16" the same files as OpenVINO computes them by default, "torch" is the network itself.
    `split` is None for random pictures. `accuracy_aware` says that the file was made with
    accuracy control, which can keep layers in float. `temperature` is that of the model, by which the logits of the
    file are divided too.
    """

    request: Request
    dtype: str
    source: str | None
    split: str | None
    total: int
    accuracy_aware: bool
    parity: Mapping[str, Parity]
    sizes: Mapping[str, int]
    latency: tuple[Latency, ...]
    threads: int
    versions: Mapping[str, str]
    temperature: float = 1.0

    @property
    def judged(self) -> str:
        """The contender that is the written file."""
        return "int8" if self.request.int8 else "float32"

    def to_document(self) -> dict[str, Any]:
        """Everything as plain data; errors and agreement are shares."""
        r = self.request
        return {
            "files": [str(path) for path in reversed(r.files)],
            "format": r.format,
            "int8": r.int8,
            "accuracy_aware": self.accuracy_aware,
            "input": self.dtype,
            "temperature": self.temperature,
            "pictures": {"source": self.source, "split": self.split, "total": self.total},
            "judged": self.judged,
            "parity": {name: parity.to_document() for name, parity in self.parity.items()},
            "bytes": dict(self.sizes),
            "latency": [latency.to_document() for latency in self.latency],
            "threads": self.threads,
            "versions": dict(self.versions),
        }
