"""Random changes of brightness, contrast, saturation and hue, as in torchvision's ColorJitter."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cardinet.data.augmentations import Augmentation, Place

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from cardinet.data.arrays import ArrayBatch
    from cardinet.data.draws import Draws, Uniforms, Whole
    from cardinet.data.preprocessing import Preprocessing

Strength = Annotated[float, Field(ge=0.0)]

COLOURS = ("brightness", "contrast", "saturation", "hue")
ORDERS = tuple(itertools.permutations(range(len(COLOURS))))


class ColorJitter(Augmentation):
    """Change brightness, contrast, saturation and hue in a drawn order, each by a drawn amount."""

    brightness: Strength = 0.0
    """The strength s of the change of brightness: a factor from [1 - s, 1 + s], not below 0."""

    contrast: Strength = 0.0
    """The strength s of the change of contrast: a factor from [1 - s, 1 + s], not below 0."""

    saturation: Strength = 0.0
    """The strength s of the change of saturation: a factor from [1 - s, 1 + s], not below 0."""

    hue: float = Field(default=0.0, ge=0.0, le=0.5)
    """The largest shift of the hue in both directions, as a share of a whole turn."""

    PLACE = Place.COLOUR

    @property
    def varied(self) -> tuple[str, ...]:
        """The names of the properties that change."""
        return tuple(name for name in COLOURS if getattr(self, name) > 0)

    @property
    def acts(self) -> bool:
        return bool(self.varied)

    def words(self) -> str:
        return f"{', '.join(self.varied)} varied"

    def on_picture(self, image: Image.Image, preprocessing: Preprocessing, draws: Draws) -> Image.Image:
        from torchvision.transforms import functional  # it takes seconds to import

        factors = self.factors(draws)
        for number in self.order(draws)[0]:
            name = COLOURS[number]
            if name in factors:
                image = getattr(functional, f"adjust_{name}")(image, float(factors[name][0]))
        return image

    def on_batch(self, batch: ArrayBatch, draws: Draws) -> None:
        """Each sample with its own factors in its own order."""
        import numpy as np
        import torch

        factors, order, pixels = self.factors(draws), self.order(draws), batch.pixels
        for place, name in itertools.product(range(len(COLOURS)), factors):
            chosen = np.flatnonzero(order[:, place] == COLOURS.index(name))
            if len(chosen):
                rows = torch.from_numpy(chosen).to(pixels.device, non_blocking=True)
                by = torch.from_numpy(factors[name][chosen].astype(np.float32))
                pixels[rows] = adjusted(pixels[rows], name, by)

    def factors(self, draws: Draws) -> dict[str, Uniforms]:
        """The factor of each property, (N,): uniform in [max(0, 1 - s), 1 + s]; for the hue a shift in [-s, s]."""
        found = {}
        for name in self.varied:
            strength = float(getattr(self, name))
            low, high = (-strength, strength) if name == "hue" else (max(0.0, 1 - strength), 1 + strength)
            found[name] = low + (high - low) * draws.uniform(f"ColorJitter.{name}")
        return found

    def order(self, draws: Draws) -> Whole:
        """The order in which each sample's COLOURS change, as their numbers, (N, 4)."""
        import numpy as np

        from cardinet.data.draws import whole_number

        return np.array(ORDERS)[whole_number(draws.uniform("ColorJitter.order"), len(ORDERS))]


def adjusted(pixels: torch.Tensor, name: str, factors: torch.Tensor) -> torch.Tensor:
    """torchvision's `adjust_*` on uint8 (N, C, H, W) with one factor for each sample, float32 (N,).

    `factors` should be in CPU memory, so that the device need not wait.
    """
    import torch
    from torchvision.transforms import functional

    if name == "hue":
        return torch.stack([functional.adjust_hue(x, float(f)) for x, f in zip(pixels, factors, strict=True)])
    if name == "saturation" and pixels.shape[1] == 1:
        return pixels
    if name == "brightness":
        other = torch.zeros(1, device=pixels.device)
    else:
        other = (functional.rgb_to_grayscale(pixels) if pixels.shape[1] == 3 else pixels).float()
        if name == "contrast":
            other = other.mean(dim=(1, 2, 3), keepdim=True)
    factor = factors.to(pixels.device, non_blocking=True).view(-1, 1, 1, 1)
    return (factor * pixels + (1.0 - factor) * other).clamp(0, 255).to(torch.uint8)
