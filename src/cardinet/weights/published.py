"""The preprocessing that other libraries publish with their weights, in our terms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from cardinet.base.documents import DocumentError, parse_json
from cardinet.base.errors import RequestError
from cardinet.base.schemas import Document, conform
from cardinet.base.settings import validate
from cardinet.data.preprocessing import Preprocessing

SIDE = Field(gt=0, le=8192)


class _TimmConfig(Document, extra="ignore"):
    """What of timm's configuration of a model is about its input; `crop_pct` is the side over the shorter side."""

    input_size: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_pct: float = Field(default=0.875, gt=0, le=1)
    interpolation: str = "bilinear"


def of_timm(config: Mapping[str, Any]) -> Preprocessing | None:
    """The preprocessing in a configuration of timm's (`pretrained_cfg`); None where it says none that is ours.

    timm resizes the shorter side to floor(side / crop_pct), with antialiasing, and crops the centre.
    """
    try:
        said: _TimmConfig = conform(_TimmConfig, dict(config))
        channels, height, width = said.input_size
        if height != width:
            return None
        about = {"channels": channels, "crop": height, "resize": int(height / said.crop_pct)}
        return validate(
            Preprocessing, about | {"mean": said.mean, "std": said.std, "interpolation": said.interpolation}
        )
    except (DocumentError, RequestError):
        return None


def of_torchvision(transforms: Any) -> Preprocessing | None:
    """The preprocessing of torchvision's preset of an evaluation (`weights.transforms()`); None for another kind."""
    try:
        (crop,), (resize,) = transforms.crop_size, transforms.resize_size
        about = {"channels": len(transforms.mean), "crop": crop, "resize": resize, "mean": tuple(transforms.mean)}
        about |= {"std": tuple(transforms.std), "interpolation": transforms.interpolation.value}
        return validate(Preprocessing, about | {"antialias": bool(transforms.antialias)})
    except (AttributeError, TypeError, ValueError, RequestError):
        return None


def beside(file: Path) -> Preprocessing | None:
    """The preprocessing in the config.json beside a file, as repositories of timm's models have one; None without."""
    try:
        document = parse_json((file.parent / "config.json").read_bytes())
    except (OSError, DocumentError):
        return None
    config = document.get("pretrained_cfg") if isinstance(document, Mapping) else None
    return of_timm(config) if isinstance(config, Mapping) else None
