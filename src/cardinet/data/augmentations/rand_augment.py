"""RandAugment (Cubuk et al. 2020, arXiv 1909.13719): a few drawn operations of one strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from cardinet.data.random_operations import RandomOperations, Range, ranges

if TYPE_CHECKING:
    from cardinet.data.draws import Draws, Uniforms, Whole


class RandAugment(RandomOperations):
    """Apply drawn operations, one after the other, all at the same magnitude.

    The operations, magnitudes and signs are those of torchvision's RandAugment. timm's has other operations (Invert and
    SolarizeAdd, but no Identity), and its magnitude goes from 0 to 10 and may vary.
    """

    num_ops: int = Field(default=2, ge=0, le=20)
    """The number of operations on each picture."""

    magnitude: int = Field(default=9, ge=0)
    """The strength of the operations, from 0 to num_magnitude_bins - 1."""

    num_magnitude_bins: int = Field(default=31, ge=2, le=1000)
    """The number of steps into which the range of each strength is divided."""

    RANGES = ranges(
        shear=0.3,
        translate=Range(0.0, 150 / 331, signed=True, of_side=True),
        rotate=30.0,
        enhance=0.9,
        posterize=Range(8, 4, whole=True),
    )

    @model_validator(mode="after")
    def _check(self) -> RandAugment:
        if self.magnitude >= self.num_magnitude_bins:
            raise ValueError(
                f"magnitude = {self.magnitude}: the largest is num_magnitude_bins - 1, {self.num_magnitude_bins - 1}"
            )
        return self

    @property
    def acts(self) -> bool:
        return self.num_ops > 0

    def words(self) -> str:
        strength = f"magnitude {self.magnitude} of {self.num_magnitude_bins - 1}"
        return f"{self.num_ops} drawn operation{'s' if self.num_ops != 1 else ''} of {strength} (RandAugment)"

    def drawn(self, draws: Draws, side: int) -> tuple[Whole, Uniforms]:
        chosen = self.chosen(draws, self.num_ops)
        return chosen, self.magnitudes(draws, chosen, self.magnitude, self.num_magnitude_bins, side)
