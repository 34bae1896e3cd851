"""The metadata of an exported file. It has everything that is needed to use the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Literal

from cardinet.base.documents import DocumentError, parse_json, to_json
from cardinet.base.errors import WorkError
from cardinet.base.schemas import Count, Document, conform
from cardinet.base.version import __version__
from cardinet.data.labelling import Name
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.document import to_document
from cardinet.runs.model_file import Model

KEYS = (
    "classes",
    "preprocessing",
    "input",
    "spec",
    "rewrites",
    "training",
    "temperature",
    "version",
    "labels",
    "thresholds",
)
"""The keys of the metadata; each value is JSON. The logits are already divided by the temperature.

With `labels` "one" the probabilities are the softmax of the logits. With "several" they are the sigmoid, and a picture
has each label whose probability is at least its threshold.
"""

PLACES = ("data", "recipe")
"""The entries of a training summary that may be paths."""

FLOAT = "decoded, resized and cropped, scaled to [0, 1] and normalised as preprocessing says"
UINT8 = "decoded, resized and cropped as preprocessing says; scaling and normalisation are in the graph"


class Pixels(Document):
    """The input: its name, type and shape, the order of its channels ("RGB" or "grey"), and the meaning of its values.

    Older files do not name the order; theirs is the same.
    """

    name: str
    dtype: Literal["float32", "uint8"]
    shape: tuple[str | Count, ...]
    channels: Literal["RGB", "grey"] | None = None
    pixels: str


class Metadata(Document):
    """The metadata of an exported file: class names in index order, the preprocessing, the input, and the number of
    labels with their thresholds (earlier files have one).
    """

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    input: Pixels
    labels: Name = "one"
    thresholds: tuple[float, ...] = ()

    @property
    def dtype(self) -> str:
        """The type of the input: "float32" or "uint8"."""
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
        "temperature": model.temperature,
        "version": __version__,
        "labels": model.labelling.NAME,
        "thresholds": list(model.thresholds),
    }
    # ASCII, because class names may have bytes that are not UTF-8, which Python holds as surrogates
    return {key: to_json(_without_paths(values[key])) for key in KEYS}


def _without_paths(value: Any, key: str = "") -> Any:
    """A value without private paths: of a path in the training summary only the last name."""
    if isinstance(value, Mapping):
        return {name: _without_paths(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(item) for item in value]
    if isinstance(value, str) and key in PLACES:
        return PurePath(value).name
    return value


def read_metadata(metadata: Mapping[str, str], path: object) -> Metadata:
    """Read the metadata of a file. Raises WorkError for a file that Cardinet did not write, and for a damaged one."""
    needed = {name for name, field in Metadata.model_fields.items() if field.is_required()}
    if not metadata.keys() >= needed:
        raise WorkError(f"{path} has no class names and preprocessing in its metadata: Cardinet did not write it.")
    try:
        found: Metadata = conform(
            Metadata, {key: parse_json(metadata[key]) for key in Metadata.model_fields if key in metadata}
        )
        return found
    except DocumentError as error:
        raise WorkError(f"{path} is damaged: in its metadata {error}.") from None
