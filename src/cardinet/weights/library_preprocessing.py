"""The preprocessing that other libraries publish with their weights, as our `Preprocessing`."""

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
    """The entries about the input in timm's configuration of a model.

    `crop_pct` is crop side / resized shorter side.
    """

    input_size: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_pct: float = Field(default=0.875, gt=0, le=1)
    interpolation: str = "bilinear"


def from_timm_config(config: Mapping[str, Any]) -> Preprocessing | None:
    """The preprocessing in a timm configuration (`pretrained_cfg`); None if ours cannot express it.

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


def from_torchvision_transforms(transforms: Any) -> Preprocessing | None:
    """The preprocessing of a torchvision preset for evaluation (`weights.transforms()`); None for other transforms."""
    try:
        (crop,), (resize,) = transforms.crop_size, transforms.resize_size
        about = {"channels": len(transforms.mean), "crop": crop, "resize": resize, "mean": tuple(transforms.mean)}
        about |= {"std": tuple(transforms.std), "interpolation": transforms.interpolation.value}
        return validate(Preprocessing, about | {"antialias": bool(transforms.antialias)})
    except (AttributeError, TypeError, ValueError, RequestError):
        return None


def from_config_json(file: Path) -> Preprocessing | None:
    """The preprocessing in the config.json beside a file, as in repositories of timm's models; None without one."""
    try:
        document = parse_json((file.parent / "config.json").read_bytes())
    except (OSError, DocumentError):
        return None
    config = document.get("pretrained_cfg") if isinstance(document, Mapping) else None
    return from_timm_config(config) if isinstance(config, Mapping) else None
