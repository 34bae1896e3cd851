"""TrivialAugment (Müller and Hutter 2021, arXiv 2103.10158): one drawn operation of a drawn strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from cardinet.data.random_operations import RandomOperations, Range, ranges

if TYPE_CHECKING:
    from cardinet.data.draws import Draws, Uniforms, Whole


class TrivialAugment(RandomOperations):
    """Apply one drawn operation at a drawn magnitude from a wide range, as torchvision's TrivialAugmentWide."""

    num_magnitude_bins: int = Field(default=31, ge=2, le=1000)
    """The number of magnitudes to draw from, in equal steps over the range of each operation."""

    RANGES = ranges(
        shear=0.99,
        translate=Range(0.0, 32.0, signed=True),
        rotate=135.0,
        enhance=0.99,
        posterize=Range(8, 2, whole=True),
    )

    def words(self) -> str:
        return "one drawn operation of drawn magnitude (TrivialAugment)"

    def drawn(self, draws: Draws, side: int) -> tuple[Whole, Uniforms]:
        from cardinet.data.draws import whole_number

        chosen, bins = self.chosen(draws, 1), self.num_magnitude_bins
        step = whole_number(draws.uniform_rows("TrivialAugment.magnitude", 1), bins)
        return chosen, self.magnitudes(draws, chosen, step, bins, side)
