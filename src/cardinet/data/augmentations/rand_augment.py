"""RandAugment (Cubuk et al. 2020, arXiv 1909.13719): a few drawn operations of one strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from cardinet.data.random_operations import RandomOperations, Range, ranges

if TYPE_CHECKING:
    from cardinet.data.draws import Draws, Uniforms, Whole


class RandAugment(RandomOperations):
    """Apply drawn operations, one after the other, all at the same magnitude.

    The operations, magnitudes and signs are those of torchvision's RandAugment. What timm calls "rand-m7-mstd0.5" is
    magnitude 21 with a deviation of 1.5 and probability 0.5. But timm has Invert and SolarizeAdd and no Identity, and
    its "inc1" keeps fewer bits in Posterize.
    """

    num_ops: int = Field(default=2, ge=0, le=20)
    """The number of operations on each picture."""

    magnitude: int = Field(default=9, ge=0)
    """The strength of the operations, from 0 to num_magnitude_bins - 1."""

    num_magnitude_bins: int = Field(default=31, ge=2, le=1000)
    """The number of steps into which the range of each strength is divided."""

    magnitude_std: float = Field(default=0.0, ge=0.0, le=1000.0)
    """The deviation of the strength, in its steps, over the operations; with 0 all have the same strength."""

    probability: float = Field(default=1.0, ge=0.0, le=1.0)
    """The probability with which each of the drawn operations is applied."""

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
        return self.num_ops > 0 and self.probability > 0

    def words(self) -> str:
        about = "about " if self.magnitude_std > 0 else ""
        each = f", each with probability {self.probability:g}" if self.probability < 1 else ""
        drawn = f"{self.num_ops} drawn operation{'s' if self.num_ops != 1 else ''}"
        return f"{drawn} of magnitude {about}{self.magnitude} of {self.num_magnitude_bins - 1}{each} (RandAugment)"

    def drawn(self, draws: Draws, side: int) -> tuple[Whole, Uniforms]:
        import numpy as np

        from cardinet.data.draws import normal

        chosen = self.chosen(draws, self.num_ops)
        step: int | Whole = self.magnitude
        if self.magnitude_std > 0:
            away = self.magnitude_std * normal(draws.uniform_rows("RandAugment.magnitude", self.num_ops))
            step = np.rint(self.magnitude + away).clip(0, self.num_magnitude_bins - 1).astype(np.int64)
        magnitudes = self.magnitudes(draws, chosen, step, self.num_magnitude_bins, side)
        if self.probability < 1:
            applied = draws.uniform_rows("RandAugment.applied", self.num_ops) < self.probability
            chosen = np.where(applied, chosen, -1)
        return chosen, magnitudes
