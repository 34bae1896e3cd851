"""The real pictures of a rewrite: those for its proof, and those for the statistics of BN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cardinet.base.errors import CardinetError
from cardinet.data.batches import evaluation_batches
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source
from cardinet.evaluate.opening import Opened
from cardinet.export.proof_pictures import calibration_pictures, feed

PROOF = 16
"""The number of pictures of each kind in a proof."""

TYPICAL = 50
"""The number of pictures in a batch for the statistics of BN."""


@dataclass(frozen=True)
class RealPictures:
    """The source of --data or of the model's run, with some pictures as inputs of the network.

    There may be no pictures, for example if those of the run have moved; `note` says why.
    """

    preprocessing: Preprocessing
    source: Source | None = None
    proof: Tensor | None = None
    note: str = ""

    def typical(self) -> Iterator[Tensor]:
        """Batches of some training pictures, as inputs of the network."""
        assert self.source is not None
        for pixels in calibration_pictures(self.source, self.preprocessing)[0].batches(TYPICAL):
            yield torch.from_numpy(feed(pixels, self.preprocessing, "float32"))

    def of(self, channels: int, side: int) -> dict[str, Tensor]:
        """The pictures of a proof: random ones, and real ones if there are some with this number of channels."""
        generator = torch.Generator().manual_seed(0)
        found = {"random": torch.randn(PROOF, channels, side, side, generator=generator)}
        return found if self.proof is None or self.proof.shape[1] != channels else found | {"real": self.proof}


def real_pictures(opened: Opened, data: str | None) -> RealPictures:
    """The first pictures of the opened source, with any classes.

    Raises CardinetError if those of `data` cannot be read. Those of a run may be missing.
    """
    preprocessing, pictures = opened.model.preprocessing, opened.pictures
    refused = opened.refusal
    if pictures is not None:
        try:
            read = evaluation_batches(pictures.pictures, preprocessing, batch_size=PROOF, workers=0, device="cpu")
            return RealPictures(preprocessing, pictures.source, next(read).pixels)
        except CardinetError as error:
            if data is not None:
                raise
            refused = error
    why = "a model file alone has none; name some with --data." if refused is None else refused.findings[0]
    return RealPictures(preprocessing, note=f"No real pictures in the proof: {why}")
