"""Draws by a counter-based hash: golden values, uniformity, and independence of the batch in which a sample stands."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cardinet.base.randomness import hash64, permutation, uniforms

SEEDS = st.integers(0, 2**32)
EPOCHS = st.integers(0, 1000)
_M64 = 2**64 - 1

GOLDEN_HASHES = [6348422647138760783, 6015376111871117725, 12421565313168862949]
GOLDEN_UNIFORMS = [[0.8471500442100953, 0.4038632123223338], [0.2759896316632955, 0.6518271566952787]]
GOLDEN_ORDER = [6, 5, 3, 2, 0, 4, 7, 1, 9, 8]


def mix(x: int) -> int:
    """The finaliser of splitmix64 in whole numbers."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _M64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _M64
    return x ^ (x >> 31)


def naive_hash(*words: int) -> int:
    state, step = 0, 0x9E3779B97F4A7C15
    for word in words:
        state = mix(((state ^ mix((word + step) & _M64)) + step) & _M64)
    return state


def test_golden_values() -> None:
    """A run that was started with an older version must be resumed with the same draws: these never change."""
    assert [int(h) for h in hash64(0, 1, np.arange(3))] == GOLDEN_HASHES
    assert uniforms(7, 3, "Flip.mirrored", [0, 41], 2).tolist() == GOLDEN_UNIFORMS
    assert permutation(0, 0, 10).tolist() == GOLDEN_ORDER


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5))
def test_whole_number_arithmetic_gives_the_same(words: list[int]) -> None:
    assert int(hash64(*words)[0]) == naive_hash(*words)
    for first in range(len(words)):  # from there on they stand in arrays
        assert int(hash64(*words[:first], *([word] for word in words[first:]))[0]) == naive_hash(*words)


def test_a_name_counts_as_the_first_bytes_of_its_sha256() -> None:
    word = int.from_bytes(hashlib.sha256(b"Flip.mirrored").digest()[:8], "big")
    expected = [[(naive_hash(7, 3, word, k, i) >> 11) / 2**53 for k in range(3)] for i in (0, 41)]
    assert uniforms(7, 3, "Flip.mirrored", [0, 41], 3).tolist() == expected


def test_known_values_of_splitmix64() -> None:
    """The first outputs of splitmix64 with seed 0, from the authors' C code."""
    states = [(k * 0x9E3779B97F4A7C15) & _M64 for k in (1, 2, 3)]
    assert [mix(s) for s in states] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@given(SEEDS, EPOCHS, st.lists(st.integers(0, 10**6), min_size=1, max_size=20), st.integers(1, 9))
def test_draws_do_not_depend_on_the_batch(seed: int, epoch: int, indices: list[int], count: int) -> None:
    together = uniforms(seed, epoch, "a", indices, count)
    assert together.shape == (len(indices), count)
    assert together.dtype == np.float64
    assert ((together >= 0) & (together < 1)).all()
    for row, index in zip(together, indices, strict=True):
        alone = uniforms(seed, epoch, "a", index, count + 3)
        assert np.array_equal(alone[0, :count], row)


OTHERS = ((5, 3, "a"), (6, 2, "a"), (2, 5, "a"), (5, 2, "b"))


def test_draws_are_uniform_and_uncorrelated() -> None:
    """2e5 draws in 20 bins: chi-square with 19 degrees of freedom is below 43.8 in 999 of 1000 seeds."""
    draws = uniforms(5, 2, "a", np.arange(50_000), count=4)
    for column in draws.T:
        bins = np.histogram(column, bins=20, range=(0, 1))[0]
        assert ((bins - 2500.0) ** 2 / 2500).sum() < 43.8
    correlation = np.corrcoef(draws.T) - np.eye(4)
    assert np.abs(correlation).max() < 0.02
    others = np.stack([uniforms(s, e, name, np.arange(50_000))[:, 0] for s, e, name in OTHERS])
    assert np.abs(np.corrcoef(np.vstack([draws[:, :1].T, others])) - np.eye(5)).max() < 0.02


@given(SEEDS, EPOCHS, st.integers(0, 300))
def test_order_is_a_permutation(seed: int, epoch: int, n: int) -> None:
    order = permutation(seed, epoch, n)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))
    assert np.array_equal(order, permutation(seed, epoch, n))


@settings(max_examples=20)
@given(SEEDS, EPOCHS)
def test_order_differs_by_seed_and_epoch(seed: int, epoch: int) -> None:
    orders = [permutation(s, e, 100).tolist() for s, e in ((seed, epoch), (seed + 1, epoch), (seed, epoch + 1))]
    assert len({tuple(order) for order in orders}) == 3


def test_every_place_in_the_order_is_as_likely() -> None:
    first = np.bincount([permutation(seed, 0, 5)[0] for seed in range(5000)], minlength=5)
    assert ((first - 1000.0) ** 2 / 1000).sum() < 18.5  # chi-square, 4 degrees of freedom, 1 in 1000
