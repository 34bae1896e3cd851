"""Streams of training batches, as the tests of the batches and of the workers take them."""

from __future__ import annotations

import itertools

from cardinet.data.augmentations.color_jitter import ColorJitter
from cardinet.data.augmentations.flip import Flip
from cardinet.data.augmentations.pad_crop import PadCrop
from cardinet.data.augmentations.resized_crop import ResizedCrop
from cardinet.data.batches import Batch, TrainBatches
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.sampling import Sampling
from cardinet.data.source import Split
from data.varied import Chosen, together

GREY = Preprocessing(channels=1, crop=8, mean=(0.5,), std=(0.5,))
COLOUR = Preprocessing(channels=3, resize=40, crop=32, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
VARIED = together(ResizedCrop(area=(0.2, 1.0)), Flip(), ColorJitter(brightness=0.4, saturation=0.4))


def train_batches(
    split: Split,
    preprocessing: Preprocessing = GREY,
    augmentation: Chosen | None = None,
    *,
    seed: int = 1,
    batch_size: int = 64,
    workers: int = 0,
) -> TrainBatches:
    return TrainBatches(
        split,
        preprocessing,
        augmentation or together(PadCrop(pad=1)),
        sampling=Sampling(seed, batch_size),
        workers=workers,
        device="cpu",
    )


def take(batches: TrainBatches, count: int, start: int = 0) -> list[Batch]:
    try:
        return list(itertools.islice(batches.stream(start), count))
    finally:
        batches.close()
