"""The pictures for the proof of an exported file, and those that calibrate a quantized one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from cardinet.base.errors import RequestError
from cardinet.base.randomness import permutation
from cardinet.data.batches import evaluation_pixels
from cardinet.data.labelling import Labels
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source, Split
from cardinet.data.splitting import spread_rows
from cardinet.evaluate.matching import choose_split

RANDOM = 64
"""The number of random pictures for a proof without real ones."""

CALIBRATION = 300
"""The number of pictures that calibrate, NNCF's default."""

TUNING = 1000
"""The number of other pictures, on which accuracy-aware quantization measures the error."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of a split, or random ones (`split` is None); `total` is the number of the whole split.

    `pixels` are the decoded pictures, if they are kept in memory.
    """

    split: Split | None
    preprocessing: Preprocessing
    count: int
    total: int
    workers: int = 0
    pixels: Pixels | None = None

    @property
    def labels(self) -> Labels | None:
        return None if self.split is None else self.split.labels

    def name(self, index: int) -> str:
        """The name of a picture."""
        return f"random picture {index}" if self.split is None else str(self.split.names[index])

    def batches(self, size: int) -> Iterator[Pixels]:
        """All pictures once, in order, uint8 (B, C, crop, crop). Raises WorkError for a damaged one."""
        if self.split is not None and self.pixels is None:
            made = evaluation_pixels(
                self.split, self.preprocessing, batch_size=size, workers=self.workers, device="cpu"
            )
            for decoded, _ in made:
                yield decoded.contiguous().numpy()
            return
        pixels = self._random() if self.pixels is None else self.pixels
        for first in range(0, self.count, size):
            yield pixels[first : first + size]

    def held(self) -> Pictures:
        """The same pictures, decoded into memory. Raises as `batches`."""
        return replace(self, pixels=np.concatenate(list(self.batches(64))))

    def _random(self) -> Pixels:
        p, generator = self.preprocessing, torch.Generator().manual_seed(0)
        shape = (self.count, p.channels, p.crop, p.crop)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).numpy()


def proof_pictures(source: Source | None, preprocessing: Preprocessing, most: int, workers: int = 0) -> Pictures:
    """At most `most` evenly spread pictures of the test split, else validation, else train; random without source."""
    if source is None:
        return Pictures(None, preprocessing, RANDOM, RANDOM)
    split = source.splits[choose_split(source, None)]
    rows = spread_rows(len(split), most)
    chosen = split if len(rows) == len(split) else split.chosen(rows)
    return Pictures(chosen, preprocessing, len(rows), len(split), workers)


def calibration_pictures(source: Source, preprocessing: Preprocessing, workers: int = 0) -> tuple[Pictures, Pictures]:
    """Training pictures that calibrate, and other pictures for accuracy-aware quantization; both drawn with seed 0.

    The other pictures are from the validation split if the test split is used for the proof, because a network that
    remembers its training pictures loses nothing on them. The pictures of the proof are not among them, unless the
    source has only one split. Raises RequestError for a source with too few pictures.
    """
    split = source.splits["train" if "train" in source.splits else choose_split(source, None)]
    order = permutation(0, 0, len(split))
    if len(order) < 2:
        raise RequestError(f"{source.text} has {len(order)} training pictures; calibration needs at least 2.")
    first = min(CALIBRATION, max(1, len(order) // 2))
    tuning, rest = split, order[first:]
    if choose_split(source, None) == "test" and len(source.splits.get("validation", ())):
        tuning = source.splits["validation"]
        rest = permutation(0, 0, len(tuning))

    def some(split: Split, rows: npt.NDArray[np.int64]) -> Pictures:
        return Pictures(split.chosen(np.sort(rows)), preprocessing, len(rows), len(split), workers)

    return some(split, order[:first]), some(tuning, rest[:TUNING])


def feed(pixels: Pixels, preprocessing: Preprocessing, dtype: str) -> npt.NDArray[np.generic]:
    """Pixels as a file's input, in NCHW order: unchanged for uint8, else normalised float32."""
    if dtype == "uint8":
        return pixels
    found: npt.NDArray[np.generic] = preprocessing.normalise(torch.from_numpy(pixels)).contiguous().numpy()
    return found


def fed(pictures: Pictures, dtype: str) -> list[npt.NDArray[np.generic]]:
    """The pictures as inputs of a file, one by one. Raises WorkError for a damaged one."""
    return [feed(pixels, pictures.preprocessing, dtype) for pixels in pictures.batches(1)]
