"""AugMix (Hendrycks et al. 2020, arXiv 1912.02781): the picture mixed with several versions of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from cardinet.data.random_operations import RandomOperations, Range, ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    from cardinet.data.arrays import ArrayBatch
    from cardinet.data.draws import Draws, Uniforms, Whole
    from cardinet.data.preprocessing import Preprocessing

BINS = 10
"""The strengths: `severity` is the number of those that are drawn from."""
DEEPEST = 3
"""The most operations of a chain whose length is drawn."""


class AugMix(RandomOperations):
    """Mix the picture with chains of drawn operations: m x + (1 - m) (w1 chain1(x) + w2 chain2(x) + ...).

    m is drawn from Beta(alpha, alpha) and w from Dirichlet(alpha, ..., alpha). Operations, magnitudes and distributions
    are those of torchvision's AugMix; the paper leaves Brightness, Color, Contrast and Sharpness out. The sum is
    rounded, and torchvision cuts it off. The edges of moved pictures are Pillow's, and torchvision blends them with
    black. The second part of the paper is not there: a loss that compares versions of each picture.
    """

    interpolation: Literal["nearest", "bilinear"] = "bilinear"
    """How sheared and rotated pictures are read."""

    severity: int = Field(default=3, ge=1, le=BINS)
    """The number of magnitudes to draw from, of ten, from the weakest on."""

    mixture_width: int = Field(default=3, ge=1, le=20)
    """The number of chains."""

    chain_depth: int | None = Field(default=None, ge=1, le=20)
    """The number of operations in a chain; none: drawn from 1 to 3 for each chain."""

    alpha: float = Field(default=1.0, ge=0.1, le=1000.0)
    """The parameter of the distributions of the weights; a large one makes all weights alike."""

    UNUSED = ("Invert", "Identity")
    RANGES = ranges(
        shear=0.3,
        translate=Range(0.0, 1 / 3, signed=True, of_side=True),
        rotate=30.0,
        enhance=0.9,
        posterize=Range(4, 0, whole=True),
    )

    def words(self) -> str:
        chains = f"{self.mixture_width} chain{'s' if self.mixture_width != 1 else ''}"
        return f"mixed with {chains} of drawn operations (AugMix)"

    def on_picture(self, image: Image.Image, preprocessing: Preprocessing, draws: Draws) -> Image.Image:
        import numpy as np
        from PIL import Image

        look, weights = self.look(preprocessing), self.weights(draws)[0]
        mixed = np.asarray(image) * weights[0]
        for (chosen, magnitudes), weight in zip(self.chains(draws, preprocessing.crop), weights[1:], strict=True):
            mixed += np.asarray(self.picture_by(image, chosen[0], magnitudes[0], look)) * weight
        return Image.fromarray((mixed + np.float32(0.5)).clip(0, 255).astype(np.uint8))

    def on_batch(self, batch: ArrayBatch, draws: Draws) -> None:
        import torch

        preprocessing, pixels = batch.pictures.preprocessing, batch.pixels.contiguous()
        look, weights = self.look(preprocessing), torch.from_numpy(self.weights(draws)).to(pixels.device)
        shares = weights.T[:, :, None, None, None]
        mixed = pixels * shares[0]
        for (chosen, magnitudes), share in zip(self.chains(draws, preprocessing.crop), shares[1:], strict=True):
            mixed += self.pixels_by(pixels, chosen, magnitudes, look) * share
        batch.pixels = (mixed + 0.5).clamp_(0, 255).to(torch.uint8)

    def drawn(self, draws: Draws, side: int) -> tuple[Whole, Uniforms]:
        """The first operation of every chain, then the second of every chain, and so on; -1 beyond a chain's end."""
        import numpy as np

        from cardinet.data.draws import whole_number

        deepest = self.chain_depth or DEEPEST
        chosen = self.chosen(draws, self.mixture_width * deepest)
        step = whole_number(draws.uniform_rows("AugMix.magnitude", chosen.shape[1]), self.severity)
        magnitudes = self.magnitudes(draws, chosen, step, BINS, side)
        if self.chain_depth is None:
            depth = 1 + whole_number(draws.uniform_rows("AugMix.depth", self.mixture_width), DEEPEST)
            place = np.arange(chosen.shape[1]) // self.mixture_width
            chosen = np.where(place < np.tile(depth, deepest), chosen, -1)
        return chosen, magnitudes

    def chains(self, draws: Draws, side: int) -> Iterator[tuple[Whole, Uniforms]]:
        """For each chain the numbers of the operations and their magnitudes, (N, depth)."""
        chosen, magnitudes = self.drawn(draws, side)
        for chain in range(self.mixture_width):
            own = slice(chain, None, self.mixture_width)
            yield chosen[:, own], magnitudes[:, own]

    def weights(self, draws: Draws) -> npt.NDArray[np.float32]:
        """The weights of the picture and of each chain, (N, 1 + mixture_width)."""
        import numpy as np

        from cardinet.data.draws import gamma

        drawn = gamma(draws.uniform_rows("AugMix.weights", 2 + self.mixture_width), self.alpha)
        picture = drawn[:, :1] / drawn[:, :2].sum(axis=1, keepdims=True)
        chains = drawn[:, 2:] / drawn[:, 2:].sum(axis=1, keepdims=True)
        return np.concatenate([picture, (1 - picture) * chains], axis=1).astype(np.float32)
