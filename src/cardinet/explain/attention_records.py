"""What is recorded of the attention of a network: its weights and its level by class, and by the size of the object.

The level is one number for each picture: the mean weight of a gate, the mean weight of the largest kernel, or the
evenness of the splits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from torch.special import xlogy

from cardinet.explain.attention_sites import Site
from cardinet.explain.class_spread import ClassSpread


@dataclass
class SiteRecord:
    """What was recorded at one site: its weights by class, and its level by class."""

    site: Site
    classes: int
    spread: ClassSpread = field(init=False)
    level: ClassSpread = field(init=False)

    def __post_init__(self) -> None:
        self.spread, self.level = ClassSpread(self.classes), ClassSpread(self.classes)

    def add(self, labels: Tensor) -> None:
        """Add the last pass."""
        weights = self.site.weights
        self.spread.add(weights[:, self.site.largest] if self.site.sides else weights.flatten(1), labels)
        self.level.add(self.level_of(weights)[:, None], labels)

    def level_of(self, weights: Tensor) -> Tensor:
        """The level of each picture (B,), from the weights (B, choices, channels)."""
        if self.site.sides:
            return weights[:, self.site.largest].mean(1)
        if self.site.choices == 1:
            return weights.mean((1, 2))
        return evenness(weights).mean(1)

    def differences(self, most: int) -> dict[int, list[float]]:
        """The mean weight of each class less that of all pictures, for the channels with the largest F ratio."""
        best = self.spread.ratios.nan_to_num(0.0).argsort(descending=True, stable=True)[:most].tolist()
        differences = self.spread.means - self.spread.mean
        return {int(channel): differences[:, channel].tolist() for channel in best}

    def document(self, classes: Sequence[str]) -> dict[str, Any]:
        levels = self.level.means[:, 0].tolist()
        return {
            "unit": self.site.unit,
            "kind": self.site.kind,
            "kernels": list(self.site.sides),
            "level": float(self.level.mean),
            "level_by_class": {name: or_none(value) for name, value in zip(classes, levels, strict=True)},
            "explained": or_none(self.spread.explained),
            "f_ratio": or_none(self.spread.ratio),
            "f_ratio_by_weight": [or_none(value) for value in self.spread.ratios.tolist()],
            "mean_weights": self.spread.mean.tolist(),
        }


@dataclass(frozen=True)
class BySize:
    """The share of the largest kernel in a unit, for each zoom the values of the pictures (N,)."""

    unit: str
    zooms: Sequence[float]
    shares: Sequence[Tensor]

    @property
    def change(self) -> tuple[float, float]:
        """The mean change from the smallest to the largest zoom over the pictures, and its standard error.

        The standard error of one picture is NaN.
        """
        change = self.shares[-1] - self.shares[0]
        error = float(change.std()) / math.sqrt(len(change)) if len(change) > 1 else math.nan
        return float(change.mean()), error

    def document(self) -> dict[str, Any]:
        change, error = self.change
        means = {f"{zoom:g}": float(share.mean()) for zoom, share in zip(self.zooms, self.shares, strict=True)}
        return {"unit": self.unit, "share_by_zoom": means, "change": change, "standard_error": or_none(error)}


def enlarge(pixels: Tensor, zoom: float) -> Tensor:
    """The middle of pictures (B, C, H, W), 1 / zoom of each side, enlarged to their size (bilinear)."""
    height, width = pixels.shape[-2:]
    high, wide = max(1, round(height / zoom)), max(1, round(width / zoom))
    top, left = (height - high) // 2, (width - wide) // 2
    middle = pixels[..., top : top + high, left : left + wide]
    return middle if zoom == 1 else F.interpolate(middle, (height, width), mode="bilinear", align_corners=False)


def evenness(weights: Tensor) -> Tensor:
    """The entropy of weights (B, choices, channels) over the choices, divided by its largest value: (B, channels)."""
    entropy: Tensor = -xlogy(weights, weights).sum(1)
    return entropy / math.log(weights.shape[1])


def known(value: float) -> float:
    """The value, or 0 for NaN, which has no place in a figure."""
    return 0.0 if math.isnan(value) else value


def or_none(value: float) -> float | None:
    """The value, or None where it is no finite number, which JSON cannot write."""
    return value if math.isfinite(value) else None
