"""A random crop of the padded picture (He et al. 2015, Section 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field

from cardinet.data.augmentations import Framing

if TYPE_CHECKING:
    from PIL import Image

    from cardinet.data.arrays import ArrayBatch
    from cardinet.data.draws import Draws, Uniforms
    from cardinet.data.labelling import Rows
    from cardinet.data.preprocessing import Preprocessing


class PadCrop(Framing):
    """Pad each side of the picture and take a random crop of the input's size."""

    pad: int = Field(ge=0)
    """The pixels that are added on each side before the crop; 0: the central crop is used, and nothing is random."""

    pad_mode: Literal["zero", "mean", "reflect"] = "zero"
    """The added pixels: black (zero), the mean colour as a pixel value, which normalises to about 0 (mean), or the
    mirrored picture (reflect).
    """

    @property
    def acts(self) -> bool:
        return self.pad > 0

    def words(self) -> str:
        return f"shifted by up to {self.pad} pixel{'s' if self.pad != 1 else ''}"

    def scaled(self, share: float) -> Self:
        return self.model_copy(update={"pad": max(min(1, self.pad), round(self.pad * share))})  # 0 would switch it off

    def on_picture(self, image: Image.Image, preprocessing: Preprocessing, draws: Draws) -> Image.Image:
        """A crop of the resized and padded picture. Only the visible part is resized."""
        import numpy as np
        from PIL import Image

        side = preprocessing.crop
        width, height = preprocessing.resized_size(image.size)
        if min(width, height) < side:
            image = preprocessing.centre_crop(preprocessing.resized(image))
            width, height = image.size
        corner = self.corner(draws)
        rows, columns = self.lines(height, side, corner[:, 0])[0], self.lines(width, side, corner[:, 1])[0]
        down, across = rows[rows >= 0], columns[columns >= 0]
        cropped = np.empty((side, side, preprocessing.channels), dtype=np.uint8)
        cropped[:] = self.colour(preprocessing)
        if len(down) and len(across):
            left, top = int(across.min()), int(down.min())
            box = left, top, int(across.max()) + 1, int(down.max()) + 1
            seen = image.crop(box) if image.size == (width, height) else preprocessing.window(image, box)
            pixels = np.asarray(seen).reshape(seen.height, seen.width, preprocessing.channels)
            cropped[np.ix_(rows >= 0, columns >= 0)] = pixels[np.ix_(down - top, across - left)]
        return Image.fromarray(cropped[:, :, 0] if preprocessing.channels == 1 else cropped)

    def on_batch(self, batch: ArrayBatch, draws: Draws) -> None:
        pictures, corner = batch.pictures, self.corner(draws)
        side = pictures.preprocessing.crop
        rows = self.lines(pictures.height, side, corner[:, 0])
        columns = self.lines(pictures.width, side, corner[:, 1])
        batch.show(rows, columns, self.colour(pictures.preprocessing))

    def corner(self, draws: Draws) -> Uniforms:
        """The top left corners of the crops, (N, 2) in [0, 1), vertical first."""
        return draws.uniform_rows("PadCrop.corner", 2)

    def lines(self, length: int, side: int, u: Uniforms) -> Rows:
        """For each sample the rows (or columns) of its crop, (N, side); -1 inside the pad.

        The picture has `length` rows. `reflect` does not repeat the edge.
        """
        import numpy as np

        from cardinet.data.draws import whole_number

        start = whole_number(u, length + 2 * self.pad - side + 1) - self.pad
        lines = start[:, None] + np.arange(side)
        if self.pad_mode == "reflect":
            period = max(2 * (length - 1), 1)
            folded = np.abs(lines) % period
            return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(lines)
        return np.where((lines >= 0) & (lines < length), lines, -1)

    def colour(self, preprocessing: Preprocessing) -> tuple[int, ...]:
        """The colour of the pad: black or the mean rounded to a pixel value (not used for `reflect`)."""
        return preprocessing.mean_pixel if self.pad_mode == "mean" else (0,) * preprocessing.channels
