"""Shares as they are written in sentences."""

from __future__ import annotations


def percent(share: float) -> str:
    """A share with two decimals: "8.31 %"."""
    return f"{100 * share:.2f} %"
