"""Which samples a batch has: repeated augmentation and balanced classes, in memory and from files."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from cardinet.base.randomness import permutation
from cardinet.data.augmentations.pad_crop import PadCrop
from cardinet.data.batches import TrainBatches
from cardinet.data.data_settings import DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.sampling import Sampling
from cardinet.data.source import Split, open_source
from data.streams import COLOUR, GREY, VARIED, take
from data.varied import together
from train.runs_to_compare import make_photographs

LABELS = np.repeat(np.arange(3), [60, 7, 23])


def batches(split: Split, sampling: Sampling, preprocessing: Preprocessing = GREY) -> TrainBatches:
    varied = VARIED if preprocessing is COLOUR else together(PadCrop(pad=2))
    return TrainBatches(split, preprocessing, varied, sampling=sampling, workers=0, device="cpu")


@pytest.fixture(scope="module")
def digits() -> Split:
    return open_source("digits", DataSettings(limit=200)).splits["train"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Split:
    folder = make_photographs(tmp_path_factory.mktemp("photographs"))
    split = open_source(str(folder), DataSettings()).splits["train"]
    assert split.images is None  # they are decoded for each batch
    return split


def test_without_more_an_epoch_is_a_permutation() -> None:
    sampling = Sampling(5, 8)
    for epoch in (0, 3):
        order = sampling.order(epoch, LABELS)
        assert np.array_equal(order, permutation(5, epoch, 90))
        assert np.array_equal(sampling.batch(order, 2), order[16:24])


@pytest.mark.parametrize("repeats", [2, 4])
def test_each_picture_of_a_batch_is_in_it_so_many_times(repeats: int) -> None:
    sampling = Sampling(5, 8, repeats=repeats)
    order = sampling.order(1, LABELS)
    seen: Counter[int] = Counter()
    for step in range(11):
        samples = sampling.batch(order, step)
        assert len(samples) == len(set(samples.tolist())) == 8
        rows = samples.reshape(repeats, 8 // repeats) % 90
        assert (rows == rows[0]).all()  # the same pictures in the same order, one copy after the other
        assert np.array_equal(samples // 90, np.repeat(np.arange(repeats), 8 // repeats))
        seen.update(rows[0].tolist())
    assert set(seen.values()) == {1}
    assert len(seen) == 88 // repeats


def test_every_class_is_in_an_epoch_equally_often() -> None:
    sampling = Sampling(5, 8, balanced=True)
    orders = [sampling.order(epoch, LABELS) for epoch in range(4)]
    for order in orders:
        assert len(set(order.tolist())) == 90  # so that no two have the same draws
        assert np.bincount(LABELS[order % 90]).tolist() == [30, 30, 30]
        copies = Counter((order % 90).tolist())
        for label, (least, most) in enumerate([(0, 1), (4, 5), (1, 2)]):
            found = [copies[place] for place in np.flatnonzero(label == LABELS)]
            assert (min(found), max(found)) == (least, most)
        thirds = [np.bincount(LABELS[part % 90], minlength=3) for part in order.reshape(3, 30)]
        assert np.min(thirds) >= 3  # the classes are mixed
    used = set(np.concatenate(orders) % 90)
    assert sum(LABELS[place] == 0 for place in used) > 50  # other pictures of the large class in other epochs
    assert not np.array_equal(orders[0], orders[1])
    assert np.array_equal(orders[0], Sampling(5, 8, balanced=True).order(0, LABELS))
    both = Sampling(5, 8, repeats=2, balanced=True)
    drawn = np.concatenate([both.batch(orders[0], step) for step in range(11)])
    assert len(set(drawn.tolist())) == 88


@pytest.mark.parametrize("kind", ["digits", "photographs"])
@pytest.mark.parametrize("sampling", [Sampling(1, 6, repeats=3), Sampling(1, 6, repeats=2, balanced=True)], ids=repr)
def test_copies_differ_and_a_stream_goes_on(request: pytest.FixtureRequest, kind: str, sampling: Sampling) -> None:
    split: Split = request.getfixturevalue(kind)
    preprocessing = GREY if kind == "digits" else COLOUR
    whole = take(batches(split, sampling, preprocessing), 9)
    later = take(batches(split, sampling, preprocessing), 4, start=5)
    different = 0
    for batch in whole:
        rows = batch.index.reshape(sampling.repeats, -1)
        assert (rows == rows[0]).all()
        assert torch.equal(batch.labels, torch.from_numpy(split.labels[batch.index]))
        first, second = batch.pixels[: rows.shape[1]], batch.pixels[rows.shape[1] : 2 * rows.shape[1]]
        different += sum(not torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert different > 0.8 * 9 * 6 / sampling.repeats
    for one, other in zip(whole[5:], later, strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert np.array_equal(one.index, other.index)


def test_the_first_copy_is_the_picture_as_before(digits: Split) -> None:
    """A picture without repeats has the draws that it always had."""
    plain, repeated = (take(batches(digits, Sampling(1, 6, repeats=m)), 1)[0] for m in (1, 3))
    assert np.array_equal(repeated.index[:2], plain.index[:2])
    assert torch.equal(repeated.pixels[:2], plain.pixels[:2])


def test_the_pictures_of_the_report_are_those_of_the_first_batch(digits: Split, photographs: Split) -> None:
    for split, preprocessing in ((digits, GREY), (photographs, COLOUR)):
        made = batches(split, Sampling(1, 6, repeats=2, balanced=True), preprocessing)
        (batch,) = take(made, 1)
        pixels, index = made.first(5)
        assert np.array_equal(index, batch.index[:5])
        assert torch.equal(preprocessing.normalise(pixels), batch.pixels[:5])
