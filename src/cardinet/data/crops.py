"""Where a padded random crop lies and what colour its pad has: the same for a photograph and a batch in memory."""

from __future__ import annotations

import numpy as np

from cardinet.data.draws import Uniforms, whole_number
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.settings import AugmentationSettings


def crop_lines(
    length: int, side: int, settings: AugmentationSettings, u: Uniforms
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.int64]], np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    """For each sample the rows (or columns) that a padded crop shows, (N, side), and whether they are inside.

    Lines outside are mirrored for `reflect` (the edge is not repeated) and set to the nearest one else.
    """
    pad = settings.pad
    start = whole_number(u, length + 2 * pad - side + 1) - pad
    lines = start[:, None] + np.arange(side)
    inside = (lines >= 0) & (lines < length)
    if settings.pad_mode == "reflect":
        period = max(2 * (length - 1), 1)
        folded = np.abs(lines) % period
        return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(lines), np.ones_like(inside)
    return np.clip(lines, 0, length - 1), inside


def pad_colour(
    preprocessing: Preprocessing, settings: AugmentationSettings
) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """The colour of the pad, (C,): black or the mean rounded to a pixel value (not used for `reflect`)."""
    share = np.array(preprocessing.mean) if settings.pad_mode == "mean" else np.zeros(preprocessing.channels)
    return np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)
