"""Whether a runtime computes the same network: its logits against those of the network in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1, "int8": 0.5}
"""By precision how much answers may differ from those of the network in float32: `difference`."""


def disagreement(answers: npt.NDArray[Any], reference: npt.NDArray[Any], precision: str) -> str:
    """Why these are not the answers of the network, as the end of a sentence; empty if they are."""
    if answers.shape != reference.shape:
        return f"it gives answers of shape {answers.shape}, and the network {reference.shape}"
    found = difference(answers, reference)
    if found <= TOLERANCE[precision]:
        return ""
    return (
        f"its answers differ from the network's by {found:.2g} of their spread, and {TOLERANCE[precision]:g} are "
        f"allowed for {precision}"
    )


def difference(answers: npt.NDArray[Any], reference: npt.NDArray[Any]) -> float:
    """The root mean square of the differences, as a share of that of the reference around the mean of each picture.

    The losses of a training are numbers of one row, which are not moved: only their size counts.
    """
    exact = reference.astype(np.float64)
    spread = exact - exact.mean(axis=1, keepdims=True) if exact.ndim > 1 else exact
    scale = float(np.sqrt(np.mean(spread**2)))
    return float(np.sqrt(np.mean((answers.astype(np.float64) - exact) ** 2))) / max(scale, 1e-30)
