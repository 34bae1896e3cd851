"""The request of a prediction, which is checked completely before any work."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cardinet.base.errors import Findings, RequestError
from cardinet.base.settings import parse_group, validate
from cardinet.base.whole_numbers import require_whole
from cardinet.data.data_settings import DataSettings
from cardinet.data.ordered_pictures import OrderedPictures, identity, ordered_pictures
from cardinet.engines.choice import LOCAL, check_engine
from cardinet.evaluate.first_pictures import first_of
from cardinet.evaluate.opening import AskedModel, Opened, OpenedSoFar, model_path, opened
from cardinet.fast.use import WHERE_IT_PAYS, Pictures, Wanted, at_speed
from cardinet.runs.answer_table import check_table
from cardinet.runs.computed_by import computed_by
from cardinet.runs.model_file import Model
from cardinet.runs.shard_folder import Manifest, ShardFolder
from cardinet.runs.table_forms import FORMS

READ = ("pixel_limit", "picture_column", "root")
"""The settings of a prediction: the largest picture, and how a table (csv:FILE, parquet:PATH) is read."""

SHARD_ROWS = 5000


@dataclass(frozen=True, kw_only=True)
class Request:
    """A prediction of a model (a run folder, a model file or hub:REPO) for the pictures that `pictures` name.

    `words` are settings (`READ`) as a user writes them. `split` is the only split of a source that is predicted. `out`
    is a new file FILE.csv, or FORM:DIR, a folder of shards of `shard_rows` rows, which may be there from a request that
    was stopped. `top` classes are named. `threshold` replaces those of a model that gives
    several labels. `wanted` says whether the fastest runtime is used, and in which precisions; a folder of shards that
    was begun goes on with its own. The other fields do not change the answers: `engine` and its `processes` make
    the shards (`engines.choice`).
    """

    model: str | os.PathLike[str]
    pictures: tuple[str, ...]
    words: tuple[str, ...] = ()
    split: str | None = None
    out: str | None = None
    shard_rows: int | None = None
    engine: str = "local"
    processes: int | None = None
    top: int = 5
    threshold: float | None = None
    wanted: Wanted = WHERE_IT_PAYS
    batch_size: int = 128
    workers: int = 2
    device: str = "cpu"
    compare: bool = True

    @property
    def target(self) -> tuple[str, Path] | None:
        """The form and the folder of shards, if `out` is one."""
        form, colon, folder = (self.out or "").partition(":")
        return (form, Path(folder)) if colon and folder and form in FORMS else None


@dataclass(frozen=True, eq=False)
class Prepared:
    """A request with its opened model, its pictures, and its folder of shards, if it has one.

    The model's network is run as it is wanted for these pictures.
    """

    request: Request
    opened: Opened
    pictures: OrderedPictures
    pixel_limit: int
    folder: ShardFolder | None

    @property
    def model(self) -> Model:
        return self.opened.model

    @property
    def gpus(self) -> int:
        """The number of GPUs that a process with this model needs."""
        first = next(self.model.network.parameters(), None)
        return int(first is not None and first.is_cuda)

    @property
    def columns(self) -> int:
        """The number of classes in a row of a table."""
        return min(self.request.top, len(self.model.classes))

    def shown(self, path: str) -> str:
        """The path in a table: relative to the folder if only one folder is given, else as it is given."""
        only = self.request.pictures[0]
        return os.path.relpath(path, only) if len(self.request.pictures) == 1 and os.path.isdir(only) else path


def resolve(request: Request) -> Prepared:
    """Open the model and the pictures. Raises RequestError or WorkError with everything that is wrong."""
    read = DataSettings()
    pictures: OrderedPictures | None = None
    folder: ShardFolder | None = None

    def check_settings() -> None:
        nonlocal read
        findings = Findings()
        with findings:
            read = _settings(request.words)
        with findings:
            check_engine(request.engine, request.processes, work="predict")
        with findings:
            request.wanted.check()
        with findings:
            _check_out(request)
        findings.raise_if_any()

    def check_places(parts: OpenedSoFar) -> None:
        nonlocal pictures, folder
        pictures = ordered_pictures(request.pictures, read, request.split)
        if request.target is not None and parts.model is not None:
            folder = _folder(request, parts.model, pictures, read)
            folder.check()

    asked = AskedModel(model=request.model, device=request.device, compare=request.compare, threshold=request.threshold)
    found = opened(
        asked,
        check=check_settings,
        check_model=lambda model: request.wanted.check_network(model.network),
        check_all=check_places,
    )
    assert pictures is not None
    return _at_speed(Prepared(request, found, pictures, read.pixel_limit, folder))


def _at_speed(prepared: Prepared) -> Prepared:
    """The request with its network as it is wanted, which the folder records.

    Each process of an engine would prepare its own runtime, so without a request they are used in one process only.
    """
    request, folder, total = prepared.request, prepared.folder, len(prepared.pictures)
    wanted = request.wanted if request.engine == LOCAL else replace(request.wanted, fast=bool(request.wanted.fast))
    about = Pictures(
        left=total if folder is None else folder.left,
        total=total,
        batch_size=request.batch_size,
        first=partial(first_of, prepared.pictures, prepared.model, prepared.pixel_limit),
        begun=None if folder is None else folder.begun_by,
    )
    model, said = at_speed(prepared.model, wanted, about)
    if folder is not None and folder.left:
        folder.go_on_with(computed_by(model.network))
    found = replace(prepared.opened, model=model, of_model=(*prepared.opened.of_model, *said))
    return replace(prepared, opened=found)


def _settings(words: Sequence[str]) -> DataSettings:
    """The settings of a prediction. Raises RequestError for any other."""
    asked = parse_group(words, "data")
    if others := [key for key in asked if key not in READ]:
        raise RequestError(
            f"--set {', '.join(others)}: predict has only the settings {', '.join(READ)}; omit the others."
        )
    return validate(DataSettings, asked)


def _check_out(request: Request) -> None:
    """Raise RequestError for an output that cannot be."""
    if request.out in {f"{form}:" for form in FORMS}:
        raise RequestError(f"--out {request.out} names no folder; write --out {request.out}answers.")
    if request.target is not None:
        if request.shard_rows is not None:
            require_whole(1, shard_rows=request.shard_rows)
        return
    if request.engine != LOCAL:
        raise RequestError(f"--engine {request.engine} makes a folder of shards; name it: --out parquet:DIR.")
    if request.shard_rows is not None:
        raise RequestError("--shard-rows is for a folder of shards: --out parquet:DIR or --out csv:DIR.")
    if request.out is None:
        return
    if ":" in request.out and not request.out.lower().endswith(".csv"):
        raise RequestError(
            f"--out {request.out}: give a file that ends in .csv, or a folder of shards: "
            f"{' or '.join(f'{form}:DIR' for form in FORMS)}."
        )
    check_table(Path(request.out))


def _folder(request: Request, model: Model, pictures: OrderedPictures, read: DataSettings) -> ShardFolder:
    """The folder of shards of a request."""
    assert request.target is not None
    form, path = request.target
    chosen: dict[str, Any] = {name: getattr(read, name) for name in READ}
    manifest = Manifest(
        form=form,
        model=os.fspath(request.model),
        model_sha256=_sha256(request.model),
        pictures=request.pictures,
        pictures_sha256=identity(pictures),
        count=len(pictures),
        shard_rows=request.shard_rows or SHARD_ROWS,
        top=min(request.top, len(model.classes)),
        labels=model.labelling.NAME,
        settings={**chosen, "split": request.split} | _fixed(request),
    )
    return ShardFolder(path, manifest)


def _fixed(request: Request) -> dict[str, Any]:
    """The threshold of a request, where it gives one, and its precisions, where it allows others than float32."""
    threshold = {} if request.threshold is None else {"threshold": request.threshold}
    allowed = request.wanted.allowed
    return threshold | ({} if allowed == ("float32",) else {"precisions": ", ".join(allowed)})


def _sha256(model: str | os.PathLike[str]) -> str:
    """The sha256 of a model's file."""
    path = model_path(os.fspath(model))
    assert path is not None  # it was opened
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
