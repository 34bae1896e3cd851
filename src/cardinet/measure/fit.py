"""Which networks fit a picture."""

from __future__ import annotations

from typing import Any

from cardinet.networks.registry import NETWORKS


def too_deep(spec: Any, input_size: int) -> bool:
    """Whether a network reduces a picture of `input_size` pixels a side to less than one pixel."""
    return bool(spec.stride > input_size)


def fitting(input_size: int) -> list[str]:
    """The ids of the named networks whose last feature map has at least 2x2 pixels, the best matching size first."""
    rows = [row for row in NETWORKS.values() if row.spec.stride * 2 <= input_size]
    return [row.id for row in sorted(rows, key=lambda row: abs(row.input_size - input_size))]
