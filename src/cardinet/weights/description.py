"""What a file of Cardinet says of its tensors, in the metadata: the classifier of a model file, or a network alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from cardinet.base.documents import DocumentError, parse_json
from cardinet.base.errors import RequestError, WorkError
from cardinet.base.schemas import Count, Document, conform
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.document import from_document
from cardinet.networks.spec import NetworkSpec

KEY, SPEC = "cardinet", "cardinet_spec"
"""Keys of a safetensors file's metadata: what makes it a model file, and the network of which it has the weights."""

SCHEMA = 1


Share = Annotated[float, Field(ge=0, le=1.0001)]
"""0 to 1, with room for rounding."""


class Figures(Document, extra="allow"):
    """An evaluation of a split: every picture counted once; `error` is the share that is `wrong`."""

    count: Count
    total: Count
    wrong: Count
    error: Share
    loss: float | None
    top5_wrong: Count | None = None


class TrainingSummary(Document, extra="allow"):
    """What of a training's summary is read again; it may say more."""

    network: str | None = None
    recipe: str | None = None
    data: str | None = None
    step: Count | None = None
    steps: Count | None = None
    epoch: Annotated[float, Field(ge=0)] | None = None
    validation: Figures | None = None
    test: Figures | None = None
    pictures: dict[str, Any] | None = None


class Description(Document):
    """The metadata of a model file: everything but its tensors. `spec` is the network before the `rewrites`."""

    spec: dict[str, Any]
    rewrites: tuple[dict[str, Any], ...]
    classes: tuple[str, ...] = Field(min_length=1)
    preprocessing: Preprocessing
    training: dict[str, Any]
    version: str


class _Writer(Document, extra="ignore"):
    """Who wrote a model file, of whatever schema."""

    number: Count = Field(alias="schema")
    version: str = "?"


def read_description(path: Path, metadata: Mapping[str, str]) -> Description | None:
    """The description in the metadata of a model file; None where there is none, as in other files.

    Raises RequestError for one of a newer schema, WorkError for a damaged one.
    """
    if KEY not in metadata:
        return None
    document = _document(path, metadata, KEY)
    try:
        writer: _Writer = conform(_Writer, document)
        if writer.number > SCHEMA:
            raise RequestError(
                f"{path} has schema {writer.number}, written by Cardinet {writer.version}; this version reads up to "
                f"schema {SCHEMA}. Update Cardinet."
            )
        found: Description = conform(Description, {key: value for key, value in document.items() if key != "schema"})
        conform(TrainingSummary, found.training, "training.")
        return found
    except DocumentError as error:
        raise WorkError(f"{path} is damaged: {error}.") from None


def read_spec(path: Path, metadata: Mapping[str, str]) -> NetworkSpec | None:
    """The network that a file without any other description states; None where it states none.

    Raises WorkError for a damaged one.
    """
    return network_of(path, _document(path, metadata, SPEC)) if SPEC in metadata else None


def network_of(path: Path, document: Any) -> NetworkSpec:
    """The network that a document of a file describes. Raises WorkError for what describes none."""
    try:
        spec = from_document(document)
    except (RequestError, ValueError, TypeError) as error:
        raise WorkError(f"{path} is damaged: its description of a network cannot be read ({error}).") from error
    if not isinstance(spec, NetworkSpec):
        raise WorkError(f"{path} is damaged: what it describes is not a network but a {type(spec).__name__}.")
    return spec


def _document(path: Path, metadata: Mapping[str, str], key: str) -> Any:
    try:
        return parse_json(metadata[key])
    except DocumentError as error:
        raise WorkError(f"{path} is damaged: its description cannot be read ({error}).") from None
