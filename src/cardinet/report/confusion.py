"""The confusion matrix: shaded cells if it is small, a coarse picture if it is large."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cardinet.evaluate.scores import shares

Counts = npt.NDArray[np.int64]

FULL = 30
"""The largest number of classes whose matrix is shown cell by cell."""
RIGHT, WRONG = (11, 106, 168), (208, 90, 16)
"""The colours of the coarse picture; they must be readable on a light and on a dark page."""


@dataclass(frozen=True)
class Cell:
    """One cell: its count, its shade from 0 to 1 and whether it holds right answers."""

    count: int
    shade: float
    right: bool


def shade(share: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The shade from 0 to 1. Right answers: the share. Mistakes: its square root, so that a single one is visible."""
    return np.where(right, 0.85 * share, np.where(share > 0, np.maximum(np.sqrt(share), 0.15), 0.0))


def cells(confusion: Counts) -> list[list[Cell]]:
    """The rows of the shaded matrix."""
    right = np.eye(len(confusion), dtype=bool)
    shades = shade(shares(confusion), right)
    size = range(len(confusion))
    return [[Cell(int(confusion[i, j]), round(float(shades[i, j]), 3), i == j) for j in size] for i in size]


def coarse_picture(confusion: Counts, most: int = 200) -> bytes:
    """A PNG of the matrix: a pixel is a cell, or with more than `most` classes a block of neighbouring cells.

    A block on the diagonal shows its right answers.
    """
    size = len(confusion)
    block = -(-size // most)
    edges = np.arange(0, size, block)
    hits = np.diag(np.diag(confusion))
    merged = [np.add.reduceat(np.add.reduceat(m, edges, 0), edges, 1) for m in (hits, confusion - hits)]
    totals = np.maximum((merged[0] + merged[1]).sum(1, keepdims=True), 1)
    right = np.eye(len(edges), dtype=bool)
    opacity = shade(np.where(right, merged[0], merged[1]) / totals, right)
    colour = np.where(right[..., None], np.array(RIGHT), np.array(WRONG))
    return png(np.dstack([colour, np.rint(255 * opacity)]).astype(np.uint8))


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """An RGBA picture of shape (height, width, 4) as PNG."""
    height, width, _ = pixels.shape
    lines = np.hstack([np.zeros((height, 1), np.uint8), pixels.reshape(height, 4 * width)]).tobytes()

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")
