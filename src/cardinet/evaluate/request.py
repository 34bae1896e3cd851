"""The request of an evaluation, which is checked completely before any work."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cardinet.base.errors import Findings, RequestError
from cardinet.base.settings import validate
from cardinet.base.whole_numbers import require_whole
from cardinet.data.check import Progress
from cardinet.data.preprocessing import LARGEST_SIDE, Preprocessing
from cardinet.data.source import Source
from cardinet.evaluate.evaluation_settings import PLAIN, EvaluationSettings
from cardinet.evaluate.first_pictures import first_of_split
from cardinet.evaluate.matching import check_passes
from cardinet.evaluate.opening import AskedModel, AskedPictures, Make, Opened, opened
from cardinet.fast.use import NEVER, Pictures, Wanted, at_speed
from cardinet.measure.picture_fit import is_too_deep
from cardinet.runs.answer_table import check_table
from cardinet.runs.model_file import Model

NO_PICTURES = "Give the pictures to evaluate on with --data; only a run folder knows its own."


@dataclass(frozen=True, kw_only=True)
class Request:
    """An evaluation of a model on the pictures of `data`, or on a run's own.

    `words` are settings of the pictures ("limit=30"). The default `split` is the test split, else the nearest one.
    `mean` and `std` replace the model's own, as text with commas ("0.5,0.5,0.5"). `size` is another side of the input;
    the pictures are then resized in proportion. `threshold` replaces the thresholds of a model that gives several
    labels. `wanted` says whether the fastest runtime is used, for one crop or ten. `out` is a path for the table of
    answers. `prepare` makes a named network with weights from elsewhere (`opening.AskedModel`).
    """

    model: Model | str | os.PathLike[str]
    data: Source | str | None = None
    words: Sequence[str] = ()
    split: str | None = None
    prepare: Callable[[str], Make] | None = None
    mean: str | None = None
    std: str | None = None
    size: int | None = None
    threshold: float | None = None
    how: EvaluationSettings = PLAIN
    wanted: Wanted = NEVER
    device: str = "cpu"
    compare: bool = True
    out: Path | None = None

    def check(self) -> None:
        """Raise RequestError with all faults of the request itself, without a model or pictures."""
        findings = Findings()
        with findings:
            self.how.check()
        with findings:
            self.wanted.check()
        with findings:
            if self.wanted.fast and self.how.crops == "dense":
                raise RequestError(
                    "--fast: a runtime takes pictures of one size, and --crops dense has many; omit one of them."
                )
        with findings:
            if self.wanted.fast and self.how.passes > 1:
                raise RequestError(
                    f"--fast: no other runtime draws random numbers for --passes {self.how.passes}; omit one of them."
                )
        with findings:
            if self.out is not None:
                check_table(self.out)
        with findings:
            self.statistics()
        with findings:
            if self.size is not None:
                require_whole(1, LARGEST_SIDE, size=self.size)
        findings.raise_if_any()

    def statistics(self) -> Mapping[str, tuple[float, ...]]:
        """`mean` and `std` as numbers, if they are given. Raises RequestError for invalid ones."""
        findings = Findings()
        given = {}
        for name, text in (("mean", self.mean), ("std", self.std)):
            with findings:
                try:
                    values = tuple(float(word) for word in text.split(",")) if text is not None else ()
                except ValueError:
                    values = (math.nan,)
                if not all(map(math.isfinite, values)) or (name == "std" and any(value <= 0 for value in values)):
                    above = " above 0" if name == "std" else ""
                    raise RequestError(f'--{name} "{text}": give numbers{above} with commas, one for each channel.')
                if values:
                    given[name] = values
        findings.raise_if_any()
        return given


def resolve(request: Request, progress: Progress | None = None) -> Opened:
    """Open the model, with the requested mean and deviation, and the pictures to measure it on.

    Raises RequestError or WorkError with all faults.
    """
    asked = AskedModel(
        model=request.model,
        device=request.device,
        compare=request.compare,
        prepare=request.prepare,
        threshold=request.threshold,
    )
    wanted = AskedPictures(data=request.data, words=tuple(request.words), split=request.split, missing=NO_PICTURES)
    found = opened(
        asked,
        wanted,
        check=request.check,
        check_model=lambda model: _check_model(request, model),
        progress=progress,
    )
    own, model, split = found.model.preprocessing, found.model, found.measured.pictures
    if given := {**request.statistics(), **_other_size(own, request.size)}:
        model = dataclasses.replace(model, preprocessing=validate(Preprocessing, {**own.model_dump(), **given}))
    about = Pictures(
        left=len(split),
        total=len(split),
        batch_size=request.how.batch_size,
        first=partial(first_of_split, split, model),
    )
    model, said = at_speed(model, dataclasses.replace(request.wanted, fast=bool(request.wanted.fast)), about)
    return dataclasses.replace(found, model=model, of_model=(*found.of_model, *said))


def _other_size(own: Preprocessing, size: int | None) -> Mapping[str, int]:
    """The crop and the shorter side for another size of the input, in the proportion of the model's own."""
    if size is None or size == own.crop:
        return {}
    return {"crop": size, "resize": round(size * (own.resize or own.crop) / own.crop)}


def _check_model(request: Request, model: Model) -> None:
    """Raise RequestError with all reasons why the model cannot be evaluated as requested."""
    findings = Findings()
    with findings:
        check_passes(model, request.how.passes)
    with findings:
        request.wanted.check_network(model.network)
    with findings:
        if request.size is not None and is_too_deep(model.spec, request.size):
            least = model.spec.stride
            raise RequestError(f"--size {request.size}: the network reduces this to nothing; give at least {least}.")
    findings.raise_if_any()
