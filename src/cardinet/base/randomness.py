"""Random draws as a pure function of (seed, epoch, sample index, name of the draw), the same on every machine.

They come from a counter-based hash without any state. So a draw does not depend on the number of workers, on the batch
that holds the sample, on the step at which a run was resumed or on other draws.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

import numpy as np
import numpy.typing as npt

_STEP = 0x9E3779B97F4A7C15
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_BITS = 2**64 - 1
_STEPS = np.uint64(_STEP)
_MIXES = tuple(np.uint64(word) for word in _MIX)
_SHIFTS = tuple(np.uint64(bits) for bits in (30, 27, 31, 11))

Words = npt.NDArray[np.uint64]


def _mix(x: int) -> int:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection of 64 bits."""
    x = (x ^ (x >> 30)) * _MIX[0] & _BITS
    x = (x ^ (x >> 27)) * _MIX[1] & _BITS
    return x ^ (x >> 31)


def _mix_all(x: Words) -> Words:
    """`_mix` of each element of an array with at least one element."""
    x = (x ^ (x >> _SHIFTS[0])) * _MIXES[0]
    x = (x ^ (x >> _SHIFTS[1])) * _MIXES[1]
    return x ^ (x >> _SHIFTS[2])


def hash64(*words: npt.ArrayLike) -> Words:
    """A 64-bit hash of the words. Each word is an integer or an array of integers; they are broadcast together."""
    state: int | Words = 0
    for word in words:
        state = _hashed(state, word)
    return _array(state)


def _hashed(state: int | Words, word: npt.ArrayLike) -> int | Words:
    """Add one word to the hash `state` of the words before it."""
    if isinstance(word, int):
        bits: int | Words = _mix((word + _STEP) & _BITS)
    else:
        bits = _mix_all(np.atleast_1d(np.asarray(word, dtype=np.int64)).astype(np.uint64) + _STEPS)
    if isinstance(bits, int) and isinstance(state, int):  # many times faster than an array of one element
        return _mix(((state ^ bits) + _STEP) & _BITS)
    return _mix_all((_array(state) ^ _array(bits)) + _STEPS)


def _array(word: int | Words) -> Words:
    return np.array([word], dtype=np.uint64) if isinstance(word, int) else word


@lru_cache(maxsize=256)
def _named(seed: int, epoch: int, name: str, count: int) -> Words:
    """Hashes of shape (count,): the start of all draws of this name in this epoch.

    A digest turns the name into a whole number that is the same on every machine and in every version of Python.
    """
    word = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
    return hash64(seed, epoch, word, np.arange(count))


def uniforms(seed: int, epoch: int, name: str, index: npt.ArrayLike, count: int = 1) -> npt.NDArray[np.float64]:
    """`count` uniform draws in [0, 1) for each sample index: shape (len(index), count). `name` keys the draw."""
    column = np.atleast_1d(np.asarray(index, dtype=np.int64))[:, None]
    bits = _array(_hashed(_named(seed, epoch, name, count), column))
    return (bits >> _SHIFTS[3]).astype(np.float64) * 2.0**-53


def permutation(seed: int, epoch: int, n: int) -> npt.NDArray[np.int64]:
    """The order of `n` samples in an epoch, as a function of (seed, epoch) alone."""
    return np.argsort(hash64(seed, epoch, np.arange(n), -1), kind="stable").astype(np.int64)
