"""What an exported file says about itself, in its own metadata, so that nothing else is needed to use it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import cardinet
from cardinet.base.errors import WorkError
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.part import to_document
from cardinet.runs.model_file import Model

KEYS = ("classes", "preprocessing", "input", "spec", "rewrites", "training", "version")
"""Of the metadata; each value is JSON."""

PLACES = ("data", "recipe")
"""What in a training summary can be a path."""

FLOAT = "decoded, resized and cropped, scaled to [0, 1] and normalised as preprocessing says"
UINT8 = "decoded, resized and cropped as preprocessing says; scaling and normalisation are in the graph"


@dataclass(frozen=True)
class About:
    """The metadata of an exported file: class names in index order, the preprocessing, and what the input is."""

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    input: Mapping[str, Any]

    @property
    def dtype(self) -> str:
        """The input's: "float32" or "uint8"."""
        return str(self.input["dtype"])


def describe(model: Model, with_preprocessing: bool) -> dict[str, str]:
    """The metadata of a model's file, by `KEYS`."""
    p = model.preprocessing
    entry = {
        "name": "pixels",
        "dtype": "uint8" if with_preprocessing else "float32",
        "shape": ["batch", p.channels, p.crop, p.crop],
        "pixels": UINT8 if with_preprocessing else FLOAT,
    }
    values = {
        "classes": list(model.classes),
        "preprocessing": p.model_dump(mode="json"),
        "input": entry,
        "spec": to_document(model.spec),
        "rewrites": [step.to_document() for step in model.rewrites],
        "training": model.training,
        "version": cardinet.__version__,
    }
    # in ASCII, as a class can be named by bytes that are no UTF-8, which Python holds as halves of surrogate pairs
    return {key: json.dumps(_told(values[key]), allow_nan=False) for key in KEYS}


def _told(value: Any, key: str = "") -> Any:
    """What leaves this machine: of a path in the training summary its last name; what is no number is null."""
    if isinstance(value, Mapping):
        return {name: _told(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_told(item) for item in value]
    if isinstance(value, str) and key in PLACES:
        return PurePath(value).name
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_about(metadata: Mapping[str, str], path: object) -> About:
    """The description in a file's metadata. Raises WorkError for a file that Cardinet has not written."""
    try:
        return About(
            classes=tuple(json.loads(metadata["classes"])),
            preprocessing=Preprocessing.model_validate_json(metadata["preprocessing"]),
            input=json.loads(metadata["input"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise WorkError(
            f"{path} has no class names and preprocessing in its metadata: Cardinet did not write it."
        ) from error
