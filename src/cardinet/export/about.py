"""What an exported file says about itself, in its own metadata, so that nothing else is needed to use it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Literal

from cardinet.base.documents import DocumentError, parse_json, to_json
from cardinet.base.errors import WorkError
from cardinet.base.schemas import Count, Document, conform
from cardinet.base.version import __version__
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.document import to_document
from cardinet.runs.model_file import Model

KEYS = ("classes", "preprocessing", "input", "spec", "rewrites", "training", "version")
"""Of the metadata; each value is JSON."""

PLACES = ("data", "recipe")
"""What in a training summary can be a path."""

FLOAT = "decoded, resized and cropped, scaled to [0, 1] and normalised as preprocessing says"
UINT8 = "decoded, resized and cropped as preprocessing says; scaling and normalisation are in the graph"


class Pixels(Document):
    """The input: its name, type and shape, the order of its channels ("RGB" or "grey"), and what its values are.

    Files of before do not say the order, which was the same.
    """

    name: str
    dtype: Literal["float32", "uint8"]
    shape: tuple[str | Count, ...]
    channels: Literal["RGB", "grey"] | None = None
    pixels: str


class About(Document):
    """The metadata of an exported file: class names in index order, the preprocessing, and what the input is."""

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    input: Pixels

    @property
    def dtype(self) -> str:
        """The input's: "float32" or "uint8"."""
        return self.input.dtype


def describe(model: Model, with_preprocessing: bool) -> dict[str, str]:
    """The metadata of a model's file, by `KEYS`."""
    p = model.preprocessing
    entry = {
        "name": "pixels",
        "dtype": "uint8" if with_preprocessing else "float32",
        "shape": ["batch", p.channels, p.crop, p.crop],
        "channels": "grey" if p.channels == 1 else "RGB",
        "pixels": UINT8 if with_preprocessing else FLOAT,
    }
    values = {
        "classes": list(model.classes),
        "preprocessing": p.model_dump(mode="json"),
        "input": entry,
        "spec": to_document(model.spec),
        "rewrites": [step.to_document() for step in model.rewrites],
        "training": model.training,
        "version": __version__,
    }
    # in ASCII, as a class can be named by bytes that are no UTF-8, which Python holds as halves of surrogate pairs
    return {key: to_json(_told(values[key])) for key in KEYS}


def _told(value: Any, key: str = "") -> Any:
    """What leaves this machine: of a path in the training summary its last name."""
    if isinstance(value, Mapping):
        return {name: _told(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_told(item) for item in value]
    if isinstance(value, str) and key in PLACES:
        return PurePath(value).name
    return value


def read_about(metadata: Mapping[str, str], path: object) -> About:
    """The description in a file's metadata. Raises WorkError for a file that Cardinet has not written."""
    if not metadata.keys() >= About.model_fields.keys():
        raise WorkError(f"{path} has no class names and preprocessing in its metadata: Cardinet did not write it.")
    try:
        found: About = conform(About, {key: parse_json(metadata[key]) for key in About.model_fields})
        return found
    except DocumentError as error:
        raise WorkError(f"{path} is damaged: in its metadata {error}.") from None
