"""The real pictures of a rewrite: those that prove it, and those from which BN has statistics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from cardinet.data.preprocessing import Preprocessing
    from cardinet.data.source import Source

PROOF = 16
"""Pictures of each kind in a proof."""

TYPICAL = 50
"""Pictures in a batch from which BN has statistics."""


@dataclass(frozen=True)
class RealPictures:
    """The source of --data, or that of the run whose model it is, with some pictures as they enter the network.

    There may be none, as of a run whose pictures have moved; `note` says why.
    """

    preprocessing: Preprocessing
    source: Source | None = None
    proof: Tensor | None = None
    note: str = ""

    def check_typical(self, in_channels: int | None) -> None:
        """Raise RequestError where there are no pictures for statistics."""
        from cardinet.base.errors import RequestError

        if in_channels is not None:
            raise RequestError(
                "--unfold takes statistics from pictures as they are; give it and --in-channels one by one."
            )
        if self.source is None:
            raise RequestError("--unfold takes the statistics of BN from training pictures; name some with --data.")

    def typical(self) -> Iterator[Tensor]:
        """Batches of some training pictures, as they enter the network."""
        import torch

        from cardinet.export.pictures import calibrating, feed

        assert self.source is not None
        for pixels in calibrating(self.source, self.preprocessing)[0].batches(TYPICAL):
            yield torch.from_numpy(feed(pixels, self.preprocessing, "float32"))


def real_pictures(name: str, data: str | None, preprocessing: Preprocessing, *, typical: bool) -> RealPictures:
    """Open them, whatever their classes, with training pictures where `typical` ones are needed; bad ones are left out.

    Raises CardinetError for --data that cannot be read.
    """
    from cardinet.base.errors import CardinetError
    from cardinet.data.batches import evaluation_batches
    from cardinet.evaluate.opening import run_of
    from cardinet.evaluate.pictures import open_pictures

    try:
        good = {"on_bad_image": "skip"}  # a proof needs some pictures, not all
        opened = open_pictures(data, good, run=run_of(name), also=("train",) if typical else ())
        if opened is None:
            note = "No real pictures in the proof: a model file alone has none; name some with --data."
            return RealPictures(preprocessing, note=note)
        batch = next(evaluation_batches(opened.pictures, preprocessing, batch_size=PROOF, workers=0, device="cpu"))
    except CardinetError as error:
        if data is not None:
            raise
        return RealPictures(preprocessing, note=f"No real pictures in the proof: {error.findings[0]}")
    return RealPictures(preprocessing, opened.source, batch.pixels)
