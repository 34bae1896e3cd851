"""What RandAugment, TrivialAugment and AugMix share: their settings, the ranges of magnitudes, and the draws."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, Field

from cardinet.base.errors import nearest
from cardinet.data.augmentations import Augmentation, Place
from cardinet.data.operations import OPERATIONS, Look, operate

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from cardinet.data.arrays import ArrayBatch
    from cardinet.data.draws import Draws, Uniforms, Whole
    from cardinet.data.preprocessing import Preprocessing


class Range(NamedTuple):
    """The magnitudes of an operation, from the weakest to the strongest in equal steps."""

    weakest: float = 0.0
    strongest: float = 0.0
    signed: bool = False
    """Whether half of the draws are negative."""
    of_side: bool = False
    """Whether it is a share of the picture's width (TranslateX) or height."""
    whole: bool = False
    """Whether it is rounded."""

    def steps(self, side: int, bins: int) -> Uniforms:
        """The magnitudes for a side of this length, (bins,), computed in float32 as torchvision does."""
        import torch

        unit = side if self.of_side else 1
        found = torch.linspace(self.weakest * unit, self.strongest * unit, bins, dtype=torch.float32, device="cpu")
        steps: Uniforms = (found.round() if self.whole else found).double().numpy()
        return steps


def ranges(*, shear: float, translate: Range, rotate: float, enhance: float, posterize: Range) -> Mapping[str, Range]:
    """The ranges of all operations; `enhance` is that of Brightness, Color, Contrast and Sharpness."""
    own = {
        **dict.fromkeys(("ShearX", "ShearY"), Range(0.0, shear, signed=True)),
        **dict.fromkeys(("TranslateX", "TranslateY"), translate),
        "Rotate": Range(0.0, rotate, signed=True),
        **dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), Range(0.0, enhance, signed=True)),
        "Posterize": posterize,
        "Solarize": Range(1.0, 0.0),
    }
    return {name: own.get(name, Range()) for name in OPERATIONS}


def _known(name: str) -> str:
    if name not in OPERATIONS:
        raise ValueError(f'There is no operation "{name}" ({nearest(name, OPERATIONS)})')
    return name


_Name = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(OPERATIONS)})]


class RandomOperations(Augmentation):
    """Operations that are drawn for each picture, all with the same probability, and signs with probability 1/2."""

    interpolation: Literal["nearest", "bilinear"] = "nearest"
    """How sheared and rotated pictures are read."""

    fill: Literal["zero", "mean"] = "zero"
    """What comes into a moved picture from outside: black (zero) or the mean colour as a pixel value (mean)."""

    operations: Annotated[tuple[_Name, ...], Field(min_length=1)] | None = None
    """The operations to draw from; none: those of torchvision, which are all but Invert and, in AugMix, Identity."""

    PLACE = Place.OPERATIONS
    UNUSED: ClassVar[Collection[str]] = ("Invert",)
    """The operations that are drawn only if the user names them."""
    RANGES: ClassVar[Mapping[str, Range]]

    def on_picture(self, image: Image.Image, preprocessing: Preprocessing, draws: Draws) -> Image.Image:
        chosen, magnitudes = self.drawn(draws, preprocessing.crop)
        return self.picture_by(image, chosen[0], magnitudes[0], self.look(preprocessing))

    def on_batch(self, batch: ArrayBatch, draws: Draws) -> None:
        preprocessing = batch.pictures.preprocessing
        batch.pixels = self.pixels_by(batch.pixels, *self.drawn(draws, preprocessing.crop), self.look(preprocessing))

    def drawn(self, draws: Draws, side: int) -> tuple[Whole, Uniforms]:
        """The numbers of each sample's operations and their magnitudes, (N, count), for squares of this side.

        A number below 0 is no operation.
        """
        raise NotImplementedError

    @property
    def names(self) -> tuple[str, ...]:
        """The operations to draw from."""
        return self.operations or tuple(name for name in OPERATIONS if name not in self.UNUSED)

    def look(self, preprocessing: Preprocessing) -> Look:
        """How pictures are moved."""
        black = (0,) * preprocessing.channels
        return Look(self.interpolation, preprocessing.mean_pixel if self.fill == "mean" else black)

    def chosen(self, draws: Draws, count: int) -> Whole:
        """The numbers of `count` operations for each sample, (N, count)."""
        from cardinet.data.draws import whole_number

        return whole_number(draws.uniform_rows(f"{type(self).__name__}.operation", count), len(self.names))

    def magnitudes(self, draws: Draws, chosen: Whole, step: int | Whole, bins: int, side: int) -> Uniforms:
        """The magnitudes of the chosen operations at these steps of `bins`, with a drawn sign, (N, count)."""
        import numpy as np

        steps, signed = _magnitudes(type(self), self.names, bins, side)
        sign = draws.uniform_rows(f"{type(self).__name__}.sign", chosen.shape[1])
        found = steps[chosen, step]
        return np.asarray(np.where(signed[chosen] & (sign < 0.5), -found, found))

    def picture_by(self, image: Image.Image, chosen: Whole, magnitudes: Uniforms, look: Look) -> Image.Image:
        """One picture by some operations, one after the other; both (count,)."""
        names = self.names
        for number, magnitude in zip(chosen.tolist(), magnitudes.tolist(), strict=True):
            operation = OPERATIONS[names[number]] if number >= 0 else None
            if operation is not None:
                image = operation.on_picture(image, magnitude, look)
        return image

    def pixels_by(self, pixels: torch.Tensor, chosen: Whole, magnitudes: Uniforms, look: Look) -> torch.Tensor:
        """As `picture_by` for uint8 (N, C, H, W); both (N, count)."""
        import torch

        found = pixels.clone(memory_format=torch.contiguous_format)  # every operation is faster then
        for place in range(chosen.shape[1]):
            operate(found, self.names, chosen[:, place], magnitudes[:, place], look)
        return found


@lru_cache(maxsize=16)
def _magnitudes(
    kind: type[RandomOperations], operations: Sequence[str], bins: int, side: int
) -> tuple[Uniforms, Whole]:
    """The magnitudes of the operations at each step, (operations, bins), and whether they have a sign."""
    import numpy as np

    found = [kind.RANGES[name] for name in operations]
    return np.stack([r.steps(side, bins) for r in found]), np.array([r.signed for r in found])
