"""The pictures of a sheet of attribution maps: which ones they are, and what the network answers to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cardinet.base.amounts import amount
from cardinet.base.errors import RequestError, WorkError
from cardinet.blocks.classifier import Classifier
from cardinet.data.batches import evaluation_pixels
from cardinet.data.labelling.one import NO_CLASS
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Split
from cardinet.evaluate.outputs import outputs
from cardinet.explain.batches import at_once, drawn_rows
from cardinet.explain.question import Subject
from cardinet.measure.available_memory import require_bytes

Rows = npt.NDArray[np.int64]
Which = Literal["random", "confident", "mistakes", "first"]

OF_SOURCE, OF_LOOSE = 16, 100
"""How many pictures are chosen if the user says no number: of a source with classes, and of pictures without."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Chosen pictures: their places in the split, uint8 (N, C, H, W), labels (N,), and logits (N, classes), on the CPU.

    `at_once` is the number of pictures that pass the network together, on `device`.
    """

    rows: Rows
    split: Split
    pixels: Tensor
    labels: Tensor
    logits: Tensor
    preprocessing: Preprocessing
    device: torch.device
    at_once: int

    def __len__(self) -> int:
        return len(self.pixels)

    def batches(self) -> Iterator[tuple[slice, Tensor]]:
        """The places of some pictures, and their normalised pixels (B, C, H, W) on the device, in order."""
        return normalised(self.pixels, self.preprocessing, self.device, self.at_once)

    @property
    def chances(self) -> Tensor:
        """The probabilities, float64 (N, classes)."""
        return self.logits.double().softmax(1)

    @property
    def answers(self) -> Tensor:
        """The most probable class of each picture, (N,)."""
        return self.logits.argmax(1)

    @property
    def wrong(self) -> Tensor:
        """Whether the answer is known to be wrong, (N,)."""
        return (self.answers != self.labels) & (self.labels != NO_CLASS)

    @property
    def others(self) -> Tensor:
        """The class beside the answer, (N,): the true class of a wrong answer, else the rival.

        The rival is the most probable class but the answer.
        """
        return torch.where(self.wrong, self.labels, self.logits.topk(2, 1).indices[:, 1])


def normalised(
    pixels: Tensor, preprocessing: Preprocessing, device: torch.device, size: int
) -> Iterator[tuple[slice, Tensor]]:
    """uint8 pictures as normalised batches of at most `size`, each with its place."""
    for start in range(0, len(pixels), size):
        where = slice(start, start + size)
        yield where, preprocessing.normalise(pixels[where].to(device))


def number(split: Split, asked: int | None) -> int:
    """How many pictures are shown: as many as asked for, and not more than there are."""
    return min(len(split), asked or (OF_SOURCE if split.labelled else OF_LOOSE))


def choose(subject: Subject, which: Which, count: int) -> tuple[Rows, str]:
    """The places of `count` pictures of the measured split, and a sentence on what they are.

    "random" pictures are drawn by the seed, "mistakes" are the surest wrong answers, and "confident" are the surest
    wrong and the surest right answers, half of each as far as there are so many. Raises RequestError if these need the
    true classes and they are not known, WorkError if no answer is wrong.
    """
    split = subject.opened.measured.pictures
    if which in ("mistakes", "confident"):
        return _sure(subject, split, which == "mistakes", count)
    if count >= len(split):
        return np.arange(len(split)), f"All {amount(len(split), 'picture')}." if len(split) > 1 else "The only picture."
    if which == "first":
        return np.arange(count), f"The first {count:,} of {amount(len(split), 'picture')}."
    rows = drawn_rows(len(split), count, subject.seed)
    return rows, f"{count:,} of {amount(len(split), 'picture')}, drawn by the seed {subject.seed}."


def _sure(subject: Subject, split: Split, only_wrong: bool, count: int) -> tuple[Rows, str]:
    """The surest answers; all pictures are answered for it."""
    which = "mistakes" if only_wrong else "confident"
    if not split.labelled:
        raise RequestError(
            f"which = {which} needs the true classes, and these pictures have none; use random or first."
        )
    found = outputs(subject.model, split, batch_size=subject.batch_size, workers=subject.workers)
    surest = np.argsort(-found.logs.max(1), kind="stable")
    right = (found.predicted == split.labels)[surest]
    wrong_rows, right_rows = surest[~right], surest[right]
    if only_wrong:
        if not len(wrong_rows):
            raise WorkError(f"None of the {len(split):,} answers is wrong; look at others: --set which=random.")
        return wrong_rows[:count], f"{min(count, len(wrong_rows)):,} of {len(wrong_rows):,} wrong answers, the surest."
    many_wrong = min(len(wrong_rows), max(count // 2, count - len(right_rows)))
    many_right = min(len(right_rows), count - many_wrong)
    rows = np.concatenate([wrong_rows[:many_wrong], right_rows[:many_right]])
    return rows, f"The surest answers of {len(split):,}: {many_wrong:,} wrong ones, then {many_right:,} right ones."


@torch.no_grad()
def look(subject: Subject, network: Classifier, rows: Rows) -> Shown:
    """Decode the pictures at these places and answer them.

    Raises WorkError that names a picture that cannot be decoded, RequestError if they do not fit into the memory.
    """
    preprocessing, split = subject.model.preprocessing, subject.opened.measured.pictures.chosen(rows)
    channels, side = preprocessing.channels, preprocessing.crop
    require_bytes(len(rows) * (3 * channels + 16) * side**2, "cpu", f"The maps of {amount(len(rows), 'picture')}")
    decoded = evaluation_pixels(
        split, preprocessing, batch_size=subject.batch_size, workers=subject.workers, device="cpu"
    )
    pixels = torch.cat([pixels.contiguous() for pixels, _ in decoded])
    size, classes = at_once(subject, pixels), len(subject.model.classes)
    batches = normalised(pixels, preprocessing, subject.device, size)
    logits = torch.cat([network(batch)[:, :classes].float().cpu() for _, batch in batches])
    labels = torch.from_numpy(split.labels)
    return Shown(rows, split, pixels, labels, logits, preprocessing, subject.device, size)
