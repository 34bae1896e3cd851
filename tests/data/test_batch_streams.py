"""Batches: the order, resuming at any step, any number of workers, and evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cardinet.base.randomness import permutation
from cardinet.data.batches import Batch, evaluation_batches
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Split, open_source
from data.streams import COLOUR, GREY, VARIED, take, train_batches


@pytest.fixture(scope="module")
def digits() -> Split:
    return open_source("digits", DataSettings()).splits["train"]


def same(a: list[Batch], b: list[Batch]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x.pixels, y.pixels) and torch.equal(x.labels, y.labels) and np.array_equal(x.index, y.index)
        for x, y in zip(a, b, strict=True)
    )


def test_an_epoch_is_the_permutation_without_its_last_incomplete_batch(digits: Split) -> None:
    batches = train_batches(digits)
    assert batches.steps_per_epoch == 1257 // 64 == 19
    got = take(batches, 19 * 2)
    for epoch in (0, 1):
        seen = np.concatenate([batch.index for batch in got[19 * epoch : 19 * (epoch + 1)]])
        assert np.array_equal(seen, permutation(1, epoch, 1257)[: 19 * 64])
    first = got[0]
    assert first.pixels.shape == (64, 1, 8, 8)
    assert first.pixels.dtype == torch.float32
    assert first.labels.dtype == torch.int64
    assert np.array_equal(first.labels.numpy(), digits.labels[first.index])


def test_a_split_smaller_than_a_batch_is_one_batch(digits: Split) -> None:
    few = digits.without(set(digits.names[10:]))
    batches = train_batches(few, batch_size=64)
    assert (batches.steps_per_epoch, batches.sampling.batch_size) == (1, 10)
    assert [len(batch.index) for batch in take(batches, 3)] == [10, 10, 10]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 60), st.integers(1, 300), st.integers(0, 2**40))
def test_a_resumed_stream_goes_on_exactly(start: int, batch_size: int, seed: int) -> None:
    split = open_source("digits", DataSettings(limit=150)).splits["train"]
    whole = take(train_batches(split, seed=seed, batch_size=batch_size), start + 3)
    resumed = take(train_batches(split, seed=seed, batch_size=batch_size), 3, start)
    assert same(whole[start:], resumed)


def test_photographs_are_the_same_with_any_number_of_workers(photographs: Path) -> None:
    split = open_source(str(photographs), DataSettings()).splits["train"]
    alone = take(train_batches(split, COLOUR, VARIED, batch_size=7), 8)
    for workers in (1, 3):
        assert same(take(train_batches(split, COLOUR, VARIED, batch_size=7, workers=workers), 8), alone)
    resumed = take(train_batches(split, COLOUR, VARIED, batch_size=7, workers=2), 3, start=5)
    assert same(resumed, alone[5:])
    assert alone[0].pixels.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(alone[0].pixels, alone[3].pixels)


def test_the_global_generators_are_left_alone(photographs: Path) -> None:
    split = open_source(str(photographs), DataSettings()).splits["train"]
    torch.manual_seed(0)
    np.random.seed(0)
    before = (torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].tolist())
    take(train_batches(split, COLOUR, VARIED, batch_size=7, workers=1), 2)
    list(evaluation_batches(split, COLOUR, batch_size=7, workers=1, device="cpu"))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state(legacy=False)["state"]["key"].tolist() == before[1]


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_sees_every_photograph_once(photographs: Path, workers: int) -> None:
    split = open_source(str(photographs), DataSettings()).splits["train"]
    batches = list(evaluation_batches(split, COLOUR, batch_size=7, workers=workers, device="cpu"))
    assert [len(batch.index) for batch in batches] == [7, 7, 7, 3]
    assert np.concatenate([batch.index for batch in batches]).tolist() == list(range(24))
    assert torch.cat([batch.labels for batch in batches]).tolist() == split.labels.tolist()
    expected = torch.stack([COLOUR.picture(split.picture(i)) for i in range(24)])
    assert torch.equal(torch.cat([batch.pixels for batch in batches]), COLOUR.normalise(expected))


def test_evaluation_of_pictures_in_memory(digits: Split) -> None:
    batches = list(evaluation_batches(digits, GREY, batch_size=500, workers=2, device="cpu"))
    assert [len(batch.index) for batch in batches] == [500, 500, 257]
    assert digits.images is not None
    assert torch.equal(torch.cat([batch.pixels for batch in batches]), GREY.normalise(digits.images))
