"""The settings of the data: where the pictures come from and how they are varied in training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cardinet.base.settings import Settings

Share = Annotated[float, Field(ge=0.0, le=0.5)]
Strength = Annotated[float, Field(ge=0.0)]


class DataSettings(Settings):
    """Which pictures are used and how they are divided.

    A source's own splits are always kept. `validation` is the share of the training pictures that is split off
    (by `split_seed`, within each class) where the source has no validation split; unset, it is 0. A class
    folder without any split is divided into train, validation and test: `test` is the share of the last
    (elsewhere it has no effect) and `validation`, unset, is then 0.1, so that 80/10/10 is the default.
    """

    source: str = "digits"
    limit: int | None = Field(default=None, gt=0, description="at most this many pictures of each split, by seed")
    validation: Share | None = None
    test: Share = 0.1
    split_seed: int = Field(default=0, ge=0, lt=2**63)
    on_bad_image: Literal["fail", "skip"] = "fail"
    pixel_limit: int = Field(default=100_000_000, gt=0, description="pixels of one picture, checked before decoding")


class AugmentationSettings(Settings):
    """How a training picture is varied, in this order: crop, flip, colour jitter. The defaults change nothing.

    `pad` pads the picture on each side and takes a random crop of the input size; the pad is black (`zero`),
    the mean colour rounded to a pixel value (`mean`: what padding with 0 after normalisation gives) or the
    mirrored picture (`reflect`). `resized_crop` is torchvision's RandomResizedCrop with this range of area
    shares and this range of aspect ratios. The jitter's strengths mean what they mean in torchvision's
    ColorJitter: factors from [1 - s, 1 + s] (not below 0), the hue shifted by [-s, s] of a turn, in drawn order.
    """

    pad: int = Field(default=0, ge=0)
    pad_mode: Literal["zero", "mean", "reflect"] = "zero"
    flip: float = Field(default=0.0, ge=0.0, le=1.0, description="probability of a horizontal mirror image")
    resized_crop: tuple[float, float] | None = None
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    brightness: Strength = 0.0
    contrast: Strength = 0.0
    saturation: Strength = 0.0
    hue: float = Field(default=0.0, ge=0.0, le=0.5)

    @model_validator(mode="after")
    def _check(self) -> AugmentationSettings:
        if self.resized_crop is not None:
            low, high = self.resized_crop
            if not 0 < low <= high <= 1:
                raise ValueError(f"resized_crop = {low}, {high}: the area shares must rise within (0, 1]")
            if self.pad:
                raise ValueError("pad and resized_crop are both random crops; give one of them")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio = {self.ratio[0]}, {self.ratio[1]}: the aspect ratios must rise and be above 0")
        return self

    @property
    def jitters(self) -> bool:
        """Whether the colours are varied."""
        return max(self.brightness, self.contrast, self.saturation, self.hue) > 0
