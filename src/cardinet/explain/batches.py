"""The pictures of a question, which are decoded once where memory allows, as most questions look at them many times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
from torch import Tensor

from cardinet.base.amounts import amount
from cardinet.data.batches import Batch, evaluation_batches
from cardinet.data.source import Split
from cardinet.explain.question import Subject
from cardinet.measure.available_memory import available_memory, require_bytes
from cardinet.runs.memory_checks import require_batch

Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]
"""Gives the batches anew: normalised pictures (B, C, H, W) and their classes (B,)."""

PIXELS_AT_ONCE = 2**19
"""The pixels that pass a network forward and back at once: ten pictures of 224 pixels, 512 of 32."""

SHARE = 0.25
"""The share of the free memory that kept pictures may take."""


class KeptBatches:
    """Normalised batches of a split for the model of a subject, in order, any number of times.

    Raises RequestError if a batch of them does not fit into the memory.
    """

    def __init__(self, subject: Subject, split: Split) -> None:
        require_pass(subject, len(split))
        self.subject, self.split, self.count = subject, split, len(split)
        self.device = subject.device
        preprocessing = subject.model.preprocessing
        needed = 4 * self.count * preprocessing.channels * preprocessing.crop**2
        free = available_memory(str(self.device))
        self.keeps = free is None or needed <= SHARE * free
        self.kept: list[tuple[Tensor, Tensor]] = []

    def __call__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of pictures (B, C, H, W) and labels (B,), float32 and int64, on the device of the model."""
        if self.kept:
            yield from self.kept
            return
        kept = []
        for pixels, labels in self._decoded():
            if self.keeps:
                kept.append((pixels, labels))
            yield pixels, labels
        self.kept = kept

    def _decoded(self) -> Iterator[tuple[Tensor, Tensor]]:
        batches = evaluation_batches(
            self.split,
            self.subject.model.preprocessing,
            batch_size=self.subject.batch_size,
            workers=self.subject.workers,
            device=self.device,
        )
        for batch in batches:
            yield batch.pixels, batch.labels


def drawn_pictures(split: Split, count: int, seed: int) -> Split:
    """Some pictures of a split, drawn by the seed, in their order; all of them if there are not more."""
    return split if count >= len(split) else split.chosen(drawn_rows(len(split), count, seed))


def drawn_rows(pictures: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    """The places of `count` of so many pictures, drawn by the seed, in order."""
    return np.sort(np.random.default_rng(seed).permutation(pictures)[:count]).astype(np.int64)


def sample(subject: Subject, count: int) -> Batch:
    """At most `count` of the measured pictures, drawn by the seed, as one normalised batch on the model's device.

    Raises WorkError that names a picture that cannot be decoded, RequestError if they do not fit into the memory.
    """
    few = drawn_pictures(subject.opened.measured.pictures, count, subject.seed)
    preprocessing = subject.model.preprocessing
    size = 4 * preprocessing.channels * preprocessing.crop**2
    require_bytes(3 * len(few) * size, str(subject.device), f"A sample of {amount(len(few), 'picture')}")
    batches = evaluation_batches(few, preprocessing, batch_size=len(few), workers=0, device=subject.device)
    return next(batches)


def at_once(subject: Subject, pixels: Tensor) -> int:
    """The number of pictures (B, C, H, W) that pass a network forward and back at once, so that activations fit.

    Raises RequestError if they do not fit into the memory.
    """
    size = max(1, min(subject.batch_size, PIXELS_AT_ONCE // (pixels.shape[-2] * pixels.shape[-1])))
    require_pass(subject, min(size, len(pixels)))
    return size


def require_pass(subject: Subject, pictures: int) -> None:
    """Raise RequestError if so many pictures, in batches, need more memory than the network's device has left."""
    require_batch(subject.network, subject.model.preprocessing, min(subject.batch_size, pictures), "This question")
