"""Training pictures whose side changes during a run: the pixels of every side, in any worker, from any step."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from cardinet.data.augmentations.flip import Flip
from cardinet.data.augmentations.pad_crop import PadCrop
from cardinet.data.augmentations.resized_crop import ResizedCrop
from cardinet.data.batches import Batch, TrainBatches
from cardinet.data.data_settings import DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.sampling import Sampling
from cardinet.data.source import Split, open_source
from data.streams import COLOUR, GREY
from data.varied import Chosen, together

SIDES = (16, 16, 16, 24, 24, 32)


def batches(
    split: Split, preprocessing: Preprocessing, varied: Chosen, sides: tuple[int, ...] | None, workers: int = 0
) -> TrainBatches:
    side = None if sides is None else lambda step: sides[min(step, len(sides) - 1)]
    sampling = Sampling(3, 4)
    return TrainBatches(split, preprocessing, varied, sampling=sampling, workers=workers, device="cpu", side=side)


def some(made: TrainBatches, start: int = 0) -> list[Batch]:
    try:
        return list(itertools.islice(made.stream(start), len(SIDES) - start))
    finally:
        made.close()


def compare(found: list[Batch], expected: list[Batch]) -> None:
    assert [len(batch.pixels) for batch in found] == [4] * len(expected)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.labels, other.labels)
        assert np.array_equal(one.index, other.index)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.long)])
def test_photographs_are_those_of_a_run_of_that_size(photographs: Path, workers: int) -> None:
    """Each side against a stream whose input has that side everywhere: resize 40 and crop 32 become 20 and 16."""
    split = open_source(str(photographs), DataSettings()).splits["train"]
    found = some(batches(split, COLOUR, together(ResizedCrop(), Flip()), SIDES, workers))
    assert [batch.pixels.shape[-1] for batch in found] == list(SIDES)
    assert all(batch.pixels.is_contiguous(memory_format=torch.channels_last) for batch in found)
    for side, resize in ((16, 20), (24, 30), (32, 40)):
        smaller = COLOUR.model_copy(update={"crop": side, "resize": resize})
        whole = some(batches(split, smaller, together(ResizedCrop(), Flip()), None))
        steps = [step for step, own in enumerate(SIDES) if own == side]
        compare([found[step] for step in steps], [whole[step] for step in steps])
    later = some(batches(split, COLOUR, together(ResizedCrop(), Flip()), SIDES, workers), start=2)
    compare(later, found[2:])


def test_pictures_in_memory_and_their_pads() -> None:
    """8 x 8 digits at a side of 4: resized to 4, with pads of half the pixels."""
    split = open_source("digits", DataSettings()).splits["train"]
    sides = (4, 4, 6, 6, 8, 8)
    found = some(batches(split, GREY, together(PadCrop(pad=2), Flip()), sides))
    assert [batch.pixels.shape[-1] for batch in found] == list(sides)
    for side, pad in ((4, 1), (6, 2), (8, 2)):
        smaller = GREY.model_copy(update={"crop": side, "resize": None if side == 8 else side})
        whole = some(batches(split, smaller, together(PadCrop(pad=pad), Flip()), None))
        steps = [step for step, own in enumerate(sides) if own == side]
        compare([found[step] for step in steps], [whole[step] for step in steps])
    compare(some(batches(split, GREY, together(PadCrop(pad=2), Flip()), sides), start=3), found[3:])


def test_the_view_of_a_side() -> None:
    assert COLOUR.of_side(32, 32) is COLOUR
    assert (COLOUR.of_side(16, 32).crop, COLOUR.of_side(16, 32).resize) == (16, 20)
    wide = Preprocessing(channels=3, crop=48, mean=(0.5,) * 3, std=(0.2,) * 3)  # pictures of 32 x 48
    assert wide.of_side(24, 32).resize == 16
    assert PadCrop(pad=4).scaled(0.5).pad == 2
    assert Flip().scaled(0.5) == Flip()
