"""Which samples a training batch has: a function of (seed, epoch, step) and of the labels.

A sample is a number: `copy * pictures + place`. Its place is that of its picture in the split. The copies of a picture
differ in their draws, because a draw is a function of the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cardinet.base.randomness import permutation, uniforms
from cardinet.data.labelling import Labels

Samples = npt.NDArray[np.int64]

_SHARD_STREAM = -1
"""The permutations of shards have negative epochs, which no permutation of pictures has."""


@dataclass(frozen=True)
class Sampling:
    """The choice of the samples of each batch.

    Without more each epoch has every picture once, in a random order. With `balanced` it has as many samples, but of
    every class the same number (or one more): of a large class only some pictures, of a small one several copies.

    With `repeats` (Hoffer et al. 2020, arXiv 1901.09335) a batch has each of its pictures so many times, with different
    draws. An epoch has as many batches as before, and so only a part of the pictures, as in timm. The copies do not
    stand side by side (in timm they do): a method that mixes a picture with its neighbour mixes different pictures.

    Of pictures in shards only those of `window` shards are shuffled together: the shards of an epoch are in a random
    order and are taken so many at a time. All pictures of these come before those of the next ones, so that a reader
    needs few shards at hand.
    """

    seed: int
    batch_size: int
    repeats: int = 1
    balanced: bool = False
    window: int = 16

    def order(self, epoch: int, labels: Labels, shards: npt.NDArray[np.int32] | None = None) -> Samples:
        """The samples of an epoch in their order, before they are repeated: as many as there are labels.

        `shards` is the number of the shard of each picture, None for pictures that are not in shards. Only pictures of
        one class each can be `balanced`.
        """
        order = self._chosen(epoch, labels)
        if shards is None or len(used := np.unique(shards)) <= self.window:
            return order
        turns = np.zeros(int(used[-1]) + 1, dtype=np.int64)
        turns[used[permutation(self.seed, _SHARD_STREAM - epoch, len(used))]] = np.arange(len(used)) // self.window
        return order[np.argsort(turns[shards[order % len(labels)]], kind="stable")]

    def _chosen(self, epoch: int, labels: Labels) -> Samples:
        """The samples of an epoch, shuffled without regard to shards."""
        count = len(labels)
        order = permutation(self.seed, epoch, count)
        if not self.balanced:
            return order
        classes, counts = np.unique(labels, return_counts=True)
        by_class = order[np.argsort(labels[order], kind="stable")]  # the pictures of one class after the other
        first = np.cumsum(counts) - counts
        slots = np.argsort(uniforms(self.seed, epoch, "Sampling.slots", np.arange(count))[:, 0], kind="stable")
        which, turn = slots % len(classes), slots // len(classes)  # which class, and the how-manieth sample of it
        return by_class[first[which] + turn % counts[which]] + count * (turn // counts[which])

    def batch(self, order: Samples, step: int) -> Samples:
        """The samples of the batch of a step in its epoch."""
        distinct = self.batch_size // self.repeats
        chosen = order[step * distinct : (step + 1) * distinct]
        copy, place = np.divmod(chosen, len(order))
        return np.concatenate([place + len(order) * (self.repeats * copy + again) for again in range(self.repeats)])
