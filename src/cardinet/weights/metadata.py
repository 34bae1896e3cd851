"""The metadata of a safetensors file of Cardinet: the description of a model file, or of a network alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from cardinet.base.documents import DocumentError, parse_json
from cardinet.base.errors import RequestError, WorkError
from cardinet.base.schemas import Count, Document, conform
from cardinet.data.labelling import LABELLINGS, Name
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.document import from_document
from cardinet.networks.spec import NetworkSpec

KEY, SPEC = "cardinet", "cardinet_spec"
"""Keys of the metadata: the description of a model file, and the network of a file that has weights alone."""

SCHEMA = 2
"""The highest schema that is read. In schema 1 a picture has one label; schema 2 adds `labels` and `thresholds`."""

SCHEMAS: Mapping[Name, int] = {"one": 1, "several": 2}
"""The schema that a model file is written with: the lowest one that says everything, for earlier versions."""

Share = Annotated[float, Field(ge=0, le=1.0001)]
"""A number from 0 to 1; rounding may exceed 1 a little."""


class Figures(Document, extra="allow"):
    """The evaluation of a split, with each picture counted once. `error` is the share of `wrong` pictures.

    With several labels (`labels`) `error` is 1 - `mean_average_precision`, and `wrong` counts the pictures with at
    least one wrong label.
    """

    count: Count
    total: Count
    wrong: Count
    error: Share
    loss: float | None
    top5_wrong: Count | None = None
    labels: Name = "one"
    mean_average_precision: Share | None = None


class FittedTemperature(Document, extra="allow"):
    """The pictures to whose classes a temperature was fitted. The summary has its figures before and after too."""

    data: str
    split: str
    count: Count


class TrainingSummary(Document, extra="allow"):
    """The entries of a training summary that this program reads back. The summary may hold more."""

    network: str | None = None
    recipe: str | None = None
    data: str | None = None
    step: Count | None = None
    steps: Count | None = None
    epoch: Annotated[float, Field(ge=0)] | None = None
    validation: Figures | None = None
    test: Figures | None = None
    pictures: dict[str, Any] | None = None
    calibration: FittedTemperature | None = None


class Description(Document):
    """The metadata of a model file: everything but the tensors. `spec` is the network before the `rewrites`.

    `labels` says how many labels a picture has; with several, `thresholds` has the probability of each class from which
    a picture has its label.
    """

    spec: dict[str, Any]
    rewrites: tuple[dict[str, Any], ...]
    classes: tuple[str, ...] = Field(min_length=1)
    preprocessing: Preprocessing
    training: dict[str, Any]
    version: str
    labels: Name = "one"
    thresholds: tuple[Annotated[float, Field(ge=0, le=1)], ...] = ()

    @model_validator(mode="after")
    def _check_thresholds(self) -> Description:
        if len(self.thresholds) != len(LABELLINGS[self.labels].first_thresholds(len(self.classes))):
            raise ValueError(f"labels is {self.labels}, and there are {len(self.thresholds)} thresholds")
        return self


class _Writer(Document, extra="ignore"):
    """The schema and version that wrote a model file. Every schema has these entries."""

    number: Count = Field(alias="schema")
    version: str = "?"


def read_description(path: Path, metadata: Mapping[str, str]) -> Description | None:
    """The description in the metadata of a model file; None if the file has none.

    Raises RequestError for a newer schema, WorkError for a damaged description.
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
    """The network in the metadata of a file of weights alone; None if the metadata has none.

    Raises WorkError for a damaged description.
    """
    return network_of(path, _document(path, metadata, SPEC)) if SPEC in metadata else None


def network_of(path: Path, document: Any) -> NetworkSpec:
    """The network that a document in a file describes. Raises WorkError if it describes none."""
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
