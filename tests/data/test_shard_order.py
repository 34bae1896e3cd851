"""The order of pictures in shards: what is shuffled together, and that every process and every start sees the same."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from cardinet.data.batches import TrainBatches, evaluation_batches
from cardinet.data.check import check
from cardinet.data.data_settings import DataSettings
from cardinet.data.loading import Request
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.sampling import Sampling
from cardinet.data.shards import ShardPictures, look_ahead, shard_of_each
from cardinet.data.source import Source, open_source
from data.streams import take
from data.tar_shards import picture, write_shard, write_shards

COLOUR = Preprocessing(channels=3, resize=10, crop=8, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))


def test_few_shards_are_shuffled_together() -> None:
    shards = np.repeat(np.arange(40, dtype=np.int32), 50)
    labels = np.arange(2000) % 3
    sampling = Sampling(3, 16, window=5)
    for epoch in range(3):
        order = sampling.order(epoch, labels, shards)
        assert sorted(order) == list(range(2000))
        groups = shards[order].reshape(8, 250)
        assert sorted(np.concatenate([np.unique(group) for group in groups])) == list(range(40))
        assert {len(np.unique(group)) for group in groups} == {5}
        for group in groups:  # all five from the beginning to the end
            assert len(np.unique(group[:40])) == len(np.unique(group[-40:])) == 5
        assert abs(spearmanr(np.arange(2000), order).statistic) < 0.35  # of 8 groups the deviation is 0.38 at most
    first, second = (sampling.order(epoch, labels, shards) for epoch in range(2))
    assert not np.array_equal(shards[first].reshape(8, 250)[:, 0], shards[second].reshape(8, 250)[:, 0])


def test_in_one_window_the_order_is_that_of_any_pictures() -> None:
    shards = np.repeat(np.arange(16, dtype=np.int32), 5)
    labels = np.zeros(80, dtype=np.int64)
    assert np.array_equal(Sampling(1, 8).order(2, labels, shards), Sampling(1, 8).order(2, labels))


def test_balanced_samples_keep_their_number_and_their_shards() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 600, p=(0.8, 0.15, 0.05))
    shards = np.repeat(np.arange(30, dtype=np.int32), 20)
    sampling = Sampling(3, 16, balanced=True, window=10)
    order = sampling.order(0, labels, shards)
    assert sorted(order) == sorted(sampling.order(0, labels))
    turns = np.array([set(group) for group in np.split(shards[order % 600], [200, 400])], dtype=object)
    assert len(np.unique(shards[order % 600])) == 30
    changes = np.flatnonzero(np.diff(_turn_of(order, shards, sampling)) < 0)
    assert len(turns) == 3
    assert len(changes) == 0


def _turn_of(order: np.ndarray, shards: np.ndarray, sampling: Sampling) -> np.ndarray:
    """The number of the window of each sample, from the order of all pictures."""
    plain = Sampling(sampling.seed, sampling.batch_size, window=sampling.window)
    whole = plain.order(0, np.zeros(len(shards), dtype=np.int64), shards)
    counts = np.bincount(shards)
    turn = np.empty(len(counts), dtype=np.int64)
    for number, group in enumerate(np.split(whole, len(counts) // sampling.window)):
        turn[np.unique(shards[group])] = number
    found: np.ndarray = turn[shards[order % len(shards)]]
    return found


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """12 shards of 8 pictures, of which 80 % are for training, all from a folder."""
    write_shards(tmp_path / "set", shards=12, samples=8)
    return open_source(f"webdataset:{tmp_path / 'set'}", DataSettings())


def batches(source: Source, workers: int = 0, part: slice = slice(None)) -> TrainBatches:
    return TrainBatches(
        source.splits["train"],
        COLOUR,
        {},
        sampling=Sampling(1, 8, window=3),
        workers=workers,
        device="cpu",
        part=lambda _: part,
    )


def test_the_same_pictures_in_the_same_order_from_any_step(source: Source) -> None:
    whole = take(batches(source), 24)
    steps = batches(source).steps_per_epoch
    assert steps < 12  # so that the second and the third epoch count too
    for start in (1, steps - 1, steps, 13):
        again = take(batches(source), 24 - start, start)
        assert [b.index.tolist() for b in again] == [b.index.tolist() for b in whole[start:]]
        assert all((a.pixels == b.pixels).all() for a, b in zip(again, whole[start:], strict=True))


@pytest.mark.long
def test_workers_and_ranks_change_nothing(source: Source) -> None:
    whole = take(batches(source), 14)
    for a, b in zip(take(batches(source, workers=2), 14), whole, strict=True):
        assert a.index.tolist() == b.index.tolist()
        assert (a.pixels == b.pixels).all()
    halves = [take(batches(source, part=part), 14) for part in (slice(0, 4), slice(4, 8))]
    for first, second, both in zip(*halves, whole, strict=True):
        assert [*first.index, *second.index] == both.index.tolist()


def test_every_picture_is_evaluated_once(source: Source) -> None:
    found = evaluation_batches(source.splits["validation"], COLOUR, batch_size=3, workers=0, device="cpu")
    assert np.concatenate([batch.index for batch in found]).tolist() == list(range(len(source.splits["validation"])))


@pytest.mark.parametrize(
    "settings", [{"folds": 3, "fold": 1}, {"limit": 20}, {"validation": 0.3, "test": 0.0}], ids=str
)
def test_folds_limits_and_shares_keep_the_shards(tmp_path: Path, settings: dict[str, float]) -> None:
    write_shards(tmp_path / "set", "train", shards=6, samples=8)
    write_shards(tmp_path / "set", "val", shards=2, samples=8)
    for split in open_source(f"webdataset:{tmp_path / 'set'}", DataSettings(**settings)).splits.values():
        shards = shard_of_each(split.encoded)
        assert shards is not None
        names = [f"{'val' if number >= 6 else 'train'}-{number % 6:03d}.tar" for number in shards]
        assert [name.split("/")[0] for name in split.names] == names
        again = pickle.loads(pickle.dumps(split.encoded))  # noqa: S301 - as a spawned worker gets it
        assert [again.read(i) for i in range(3)] == [split.encoded.read(i) for i in range(3)]  # type: ignore[union-attr]


class Announced:
    """Shards that only note what is announced."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []

    def path(self, number: int) -> Path:
        raise AssertionError

    def expect(self, numbers: Sequence[int]) -> None:
        self.seen.append(list(numbers))


def test_shards_are_announced_before_they_are_needed() -> None:
    shards = np.repeat(np.arange(20, dtype=np.int32), 10)
    files = Announced()
    pictures = ShardPictures(files, shards, np.zeros(200, np.int64), np.zeros(200, np.int64))
    sampling = Sampling(0, 5, window=2)

    def requests() -> Iterator[Request]:
        for epoch in itertools.count():
            order = sampling.order(epoch, np.zeros(200, np.int64), shards)
            yield from (Request(epoch, sampling.batch(order, step)) for step in range(40))

    plain = list(itertools.islice(requests(), 100))
    for place, (epoch, samples, _) in enumerate(itertools.islice(look_ahead(requests(), pictures, 4), 100)):
        assert (epoch, samples.tolist()) == (plain[place][0], plain[place][1].tolist())
        assert set(shards[samples]) <= set(files.seen[-1])
        following = {int(n) for _, later, _ in plain[place : place + 5] for n in shards[later]}
        assert following <= set(files.seen[-1])
    assert max(map(len, files.seen)) <= 5
    assert len(files.seen) == 25  # once for each window of the two and a half epochs


def test_shards_are_counted_and_sorted_ones_are_noted(tmp_path: Path) -> None:
    for shard in range(6):  # two shards of each class
        label = str(shard // 2).encode()
        samples = [{"png": picture(12 * shard + i), "cls": label} for i in range(7 + shard)]
        write_shard(tmp_path / f"train-{shard}.tar", samples)
    write_shard(tmp_path / "val-0.tar", [{"png": picture(i), "cls": str(i % 3).encode()} for i in range(5)])
    for window, noted in ((2, True), (6, False)):
        report = check(f"webdataset:{tmp_path}", DataSettings(shuffle_shards=window))
        details = {(note.split, note.kind): note.detail for note in report.findings}
        assert details["train", "shards"] == "6 shards of 7 to 12 samples"
        assert details["validation", "shards"] == "1 shard of 5 samples"
        assert (("train", "sorted-shards") in details) == noted


def test_shards_in_random_order_are_not_noted(tmp_path: Path) -> None:
    write_shards(tmp_path, shards=6, samples=8)
    report = check(f"webdataset:{tmp_path}", DataSettings(shuffle_shards=2))
    assert {note.kind for note in report.findings} == {"shards"}
