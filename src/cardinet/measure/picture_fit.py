"""Which networks fit the size of a picture."""

from __future__ import annotations

from typing import Any

from cardinet.networks.registry import NETWORKS


def is_too_deep(spec: Any, input_size: int) -> bool:
    """Whether a network reduces a picture with sides of `input_size` pixels to less than one pixel."""
    return bool(spec.stride > input_size)


def networks_that_fit(input_size: int) -> list[str]:
    """The ids of the named networks whose last feature map has at least 2x2 pixels, the nearest input size first."""
    rows = [row for row in NETWORKS.values() if row.spec.stride * 2 <= input_size]
    return [row.id for row in sorted(rows, key=lambda row: abs(row.input_size - input_size))]
