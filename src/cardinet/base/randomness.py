"""Random draws as a pure function of (seed, epoch, sample index): a counter-based hash, the same on every machine.

Nothing is stored and nothing is advanced, so a draw does not depend on the number of workers, on the batch
in which a sample stands or on where a run was resumed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection of 64 bits."""
    x = (x ^ (x >> np.uint64(30))) * _MIX[0]
    x = (x ^ (x >> np.uint64(27))) * _MIX[1]
    return x ^ (x >> np.uint64(31))


def hash64(*words: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of the words, each an integer or an array of them (broadcast together)."""
    state = np.zeros((), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for word in words:
            bits = np.asarray(word, dtype=np.int64).astype(np.uint64)
            state = _mix(np.atleast_1d((state ^ _mix(np.atleast_1d(bits + _STEP))) + _STEP))
    return state


def uniforms(seed: int, epoch: int, index: npt.ArrayLike, count: int) -> npt.NDArray[np.float64]:
    """`count` uniform draws in [0, 1) for each sample index: shape (len(index), count)."""
    column = np.atleast_1d(np.asarray(index, dtype=np.int64))[:, None]
    bits = hash64(seed, epoch, column, np.arange(count)[None, :])
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(seed: int, epoch: int, n: int) -> npt.NDArray[np.int64]:
    """The order of `n` samples in an epoch, as a function of (seed, epoch) alone."""
    return np.argsort(hash64(seed, epoch, np.arange(n), -1), kind="stable").astype(np.int64)
