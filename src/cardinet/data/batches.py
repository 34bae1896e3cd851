"""Batches of normalised pixels for training (endless, resumable at any step) and for evaluation (exact)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from cardinet.data.arrays import ArrayPictures
from cardinet.data.augmentations import Augmentation
from cardinet.data.augmenting import Sized, augmented_batch
from cardinet.data.draws import Draws
from cardinet.data.loading import Request, Work, decoded
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.sampling import Sampling
from cardinet.data.shards import look_ahead, shard_of_each
from cardinet.data.source import Split

NEXT = 4
"""The shards that an evaluation, which reads one after the other, prepares in advance."""


@dataclass(frozen=True, eq=False)
class Batch:
    """`pixels` float32 (B, C, side, side) in channels_last and `labels`, both on the device.

    Labels are classes, int64 (B,), or where a picture may have several 0 and 1 for each class, float32 (B, classes).
    `index` int64 (B,) holds the positions of the samples in the split.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    index: npt.NDArray[np.int64]


def whole(count: int) -> slice:
    """All samples of a batch."""
    return slice(count)


class TrainBatches:
    """The training batches of a split: a function of (split, preprocessing, augmentation, sampling).

    The last incomplete batch is dropped; a split smaller than a batch is one batch. The number of workers changes only
    the speed; for pictures in memory it has no effect. `part` gives the part of a batch of so many samples that this
    process trains on, `side` the side of the pictures in the step after so many (none: that of the input).
    """

    def __init__(
        self,
        split: Split,
        preprocessing: Preprocessing,
        augmentation: Mapping[str, Augmentation],
        *,
        sampling: Sampling,
        workers: int,
        device: torch.device | str,
        part: Callable[[int], slice] = whole,
        side: Callable[[int], int] | None = None,
    ) -> None:
        self.split = split
        self.preprocessing = preprocessing
        self.augmentation = augmentation
        self.sampling = replace(sampling, batch_size=min(sampling.batch_size, len(split)))
        self.workers = workers
        self.device = torch.device(device)
        self.part = part
        self.side = side or (lambda step: preprocessing.crop)
        self.shards = shard_of_each(split.encoded)
        self.steps_per_epoch = len(split) // self.sampling.batch_size
        self._open: list[Iterator[torch.Tensor]] = []

    def requests(self, start_step: int) -> Iterator[Request]:
        """(epoch, samples, side) of each batch from `start_step` on, without end."""
        epoch, first = divmod(start_step, self.steps_per_epoch)
        while True:
            order = self.sampling.order(epoch, self.split.labels, self.shards)
            for step in range(first, self.steps_per_epoch):
                batch = self.sampling.batch(order, step)
                side = self.side(epoch * self.steps_per_epoch + step)
                yield Request(epoch, batch[self.part(len(batch))], side)
            epoch, first = epoch + 1, 0

    def stream(self, start_step: int = 0) -> Iterator[Batch]:
        """The batches from `start_step` on, without end: the same ones that a stream from step 0 gives from there.

        Raises WorkError that names a picture that cannot be decoded, and if a worker process has died.
        """
        if self.split.images is not None:
            for side, requests in itertools.groupby(self.requests(start_step), lambda request: request.side):
                sized = self._sized(side)
                pictures = ArrayPictures(self.split.images, sized.preprocessing, self.device)
                for epoch, samples, _ in requests:
                    index, draws = samples % len(self.split), Draws(self.sampling.seed, epoch, samples)
                    pixels = augmented_batch(pictures.batch(index), sized.augmentation, draws)
                    yield _batch(pixels, self.split, index, self.preprocessing, self.device)
            return
        work = Work(self.split, self.preprocessing, self.augmentation, self.sampling.seed, self.split.draft)
        ahead = 2 * self.sampling.window
        photographs = decoded(
            work,
            lambda: look_ahead(self.requests(start_step), self.split.encoded, ahead),
            workers=self.workers,
            device=self.device,
        )
        self._open.append(photographs)
        # The loader keeps the order of its requests, so the same requests say which batch has come.
        for request, pixels in zip(self.requests(start_step), photographs, strict=False):
            yield _batch(pixels, self.split, request.samples % len(self.split), self.preprocessing, self.device)

    def _sized(self, side: int | None) -> Sized:
        """Preprocessing and augmentations for pictures in memory of a side."""
        assert self.split.images is not None
        short = min(self.split.images.shape[2:])
        return Sized(self.preprocessing, self.augmentation).of_side(side or self.preprocessing.crop, short)

    def first(self, count: int) -> tuple[torch.Tensor, npt.NDArray[np.int64]]:
        """The first pictures of the first batch, at most `count`, as uint8 before normalisation, and their positions.

        They are decoded in this process. Raises WorkError that names a picture that cannot be decoded.
        """
        epoch, samples, _ = next(self.requests(0))
        samples = samples[:count]
        index = samples % len(self.split)
        if self.split.images is not None:
            few = ArrayPictures(self.split.images[index], self.preprocessing, torch.device("cpu"))
            batch = few.batch(np.arange(len(index)))
            return augmented_batch(batch, self.augmentation, Draws(self.sampling.seed, epoch, samples)), index
        work = Work(self.split, self.preprocessing, self.augmentation, self.sampling.seed, self.split.draft)
        return work.batch(Request(epoch, samples)), index

    def close(self) -> None:
        """Stop the worker processes of all streams; the streams end."""
        while self._open:
            pictures = self._open.pop()
            if hasattr(pictures, "close"):
                pictures.close()


def evaluation_pixels(
    split: Split, preprocessing: Preprocessing, *, batch_size: int, workers: int, device: torch.device | str
) -> Iterator[tuple[torch.Tensor, npt.NDArray[np.int64]]]:
    """The pixels of every sample exactly once, in order, uint8 (B, C, crop, crop), and the samples' positions.

    The last batch may be smaller. Raises WorkError that names a picture that cannot be decoded, and if a worker process
    has died.
    """
    device = torch.device(device)
    chunks = [np.arange(i, min(i + batch_size, len(split))) for i in range(0, len(split), batch_size)]
    if split.images is not None:
        for index in chunks:
            pictures = ArrayPictures(split.images[index[0] : index[-1] + 1], preprocessing, device)
            yield pictures.batch(np.arange(len(index))).pixels, index
        return
    work = Work(split, preprocessing, {}, 0)
    requests = [Request(0, index) for index in chunks]
    loader = decoded(work, lambda: look_ahead(requests, split.encoded, NEXT), workers=workers, device=device)
    for index, pixels in zip(chunks, loader, strict=True):
        yield pixels, index


def evaluation_batches(
    split: Split, preprocessing: Preprocessing, *, batch_size: int, workers: int, device: torch.device | str
) -> Iterator[Batch]:
    """Every sample of the split exactly once, in order: the batches of `evaluation_pixels`, normalised."""
    device = torch.device(device)
    for pixels, index in evaluation_pixels(split, preprocessing, batch_size=batch_size, workers=workers, device=device):
        yield _batch(pixels, split, index, preprocessing, device)


def _batch(
    pixels: torch.Tensor,
    split: Split,
    index: npt.NDArray[np.int64],
    preprocessing: Preprocessing,
    device: torch.device,
) -> Batch:
    labels = split.labelling.tensor(split.labels[index]).to(device, non_blocking=True)
    return Batch(preprocessing.normalise(pixels.to(device, non_blocking=True)), labels, index)
