"""The file of a sweep, checked as far as it can be without its pictures.

recipe = "quick"                  # what every trial has in common, as in `cardinet train`
data = "digits"
trials = 20
sampler = "TPE"                   # random (the default), grid, TPE or GP
seed = 0

[settings]                        # settings of every trial
training.length = "6 epochs"

[space]                           # settings that differ between the trials
optimizer.lr = {low = 0.001, high = 1.0, log = true}
batch_size = [32, 64, 128]
optimizer.weight_decay = {low = 0.0, high = 1e-3, step = 2e-4}

[stopping]                        # optional: ends bad trials early
rule = "asha"
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from cardinet.base.documents import DocumentError, parse_toml, read_bytes
from cardinet.base.errors import Findings, RequestError
from cardinet.base.settings import Settings, merge, validate
from cardinet.base.whole_numbers import SEED
from cardinet.sweep.space import Dimension, dimension
from cardinet.train.recipe import make_recipe, overrides, recipe_document

MOST = 10_000
"""The most trials of a sweep."""


class Stopping(Settings):
    """When a trial ends early. Its metric is compared with those of the other trials at the same evaluation."""

    rule: Literal["asha", "median"] = "asha"
    """asha: at some evaluations only the best go on; median: none goes on that is worse than half of the others."""

    first: Annotated[int, Field(ge=1)] = 1
    """The first evaluation at which a trial may end."""

    reduction: Annotated[int, Field(ge=2)] = 3
    """With asha one of so many trials goes on, at the evaluations first, first x reduction, first x reduction^2, ..."""

    least: Annotated[int, Field(ge=1)] = 4
    """With median the number of trials that must have come so far before one may end."""


class SweepFile(Settings):
    """The entries of the file. `settings` and `space` are by key, as in `cardinet settings`."""

    network: str | None = None
    """The network of every trial; none: that of the recipe."""

    recipe: str = "quick"
    """The name or file of the recipe of every trial."""

    data: str | None = None
    """The pictures of every trial; none: those of the recipe."""

    weights: str | None = None
    """The weights from which every trial starts; none: new ones."""

    trials: Annotated[int, Field(ge=1, le=MOST)] | None = None
    """The number of trials; none: all points of a grid."""

    sampler: Literal["random", "grid", "TPE", "GP"] = "random"
    """How settings are drawn: random, grid, or by what earlier trials have shown (TPE and GP of Optuna)."""

    seed: Annotated[int, Field(ge=0, le=SEED)] = 0
    """The seed of the draws of settings. The seed of the trainings is the setting machine.seed."""

    metric: Literal["error", "loss"] = "error"
    """What the best trial has least of, on the validation pictures."""

    settings: dict[str, Any] = {}
    """Settings of every trial."""

    space: dict[str, Any]
    """The settings that differ, each with a list of values or with low and high."""

    stopping: Stopping | None = None
    """The rule that ends bad trials early; none: all run to their ends."""

    def dimensions(self) -> dict[str, Dimension]:
        """The space by key. Raises RequestError with all its faults."""
        findings, found = Findings(), {}
        for key, value in self.space.items():
            with findings:
                found[key] = dimension(key, value)
        findings.raise_if_any()
        return found

    def first_values(self) -> dict[str, Any]:
        """A right value of each setting of the space that has one, for a check of the rest."""
        found = {}
        for key, value in self.space.items():
            with suppress(RequestError):
                found[key] = dimension(key, value).ends[0]
        return found

    def fixed(self) -> tuple[tuple[str, Any], ...]:
        """The settings of every trial as pairs."""
        data = {} if self.data is None else {"data.source": self.data}
        return tuple({**data, **self.settings}.items())


def read_sweep(path: Path) -> tuple[SweepFile, Findings]:
    """The sweep in a file, and everything that is wrong in it, including each value of its space.

    A value is checked alone, beside the settings of every trial. Entries that no sweep can have are left out. Raises
    RequestError if there is no such file, or if it is not TOML.
    """
    try:
        document = parse_toml(read_bytes(path, 2**20))
    except OSError as error:
        raise RequestError(f"The sweep {path} cannot be read: {error.strerror or error}.") from None
    except DocumentError as error:
        raise RequestError(f"The sweep {path} cannot be used: {error}.") from None
    for group in ("settings", "space"):
        if isinstance(document.get(group), Mapping):
            document[group] = dict(flat(document[group]))
    findings = Findings()
    file: SweepFile | None = None
    with findings:
        file = validate(SweepFile, document)
    file = file or _of_right_entries(document)
    _check(file, document.keys() - file.model_fields_set, findings)
    return file, findings


def _of_right_entries(document: Mapping[str, Any]) -> SweepFile:
    """A sweep with those entries of a document that alone are right, and perhaps without a space."""
    kept: dict[str, Any] = {"space": {}}
    for name, value in document.items():
        with suppress(RequestError):
            validate(SweepFile, {"space": {}, name: value})
            kept[name] = value
    return SweepFile.model_validate(kept)


def flat(group: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Nested tables as dotted keys. A table with low or high is a value."""
    for key, value in group.items():
        if isinstance(value, Mapping) and not {"low", "high"} & value.keys():
            yield from flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _check(file: SweepFile, wrong: Collection[str], findings: Findings) -> None:
    """Add all faults to the findings. The entries that are `wrong` are left out of the file, and said already."""
    if not file.space and not findings:
        findings.errors.append(RequestError("[space] is empty; name at least one setting with its values."))
    pairs = (("network.id", file.network), *file.fixed()) if file.network is not None else file.fixed()
    with findings:
        _recipe(file.recipe, pairs)
    for key, value in file.space.items():
        with findings:
            values = dimension(key, value)
            if file.sampler == "grid":
                with findings:
                    _points(key, values)
            for one in values.ends:
                with findings:
                    _recipe(file.recipe, (*pairs, (key, one)))
    if file.sampler != "grid" and file.trials is None and not {"sampler", "trials"} & {*wrong}:
        findings.errors.append(RequestError(f"trials is missing: {file.sampler} draws have no end; give their number."))


def _points(key: str, values: Dimension) -> None:
    try:
        _ = values.points
    except RequestError as error:
        raise RequestError(*(f"space.{key}: {finding}." for finding in error.findings)) from None


def _recipe(name: str, pairs: tuple[tuple[str, Any], ...]) -> None:
    """Raise RequestError for settings that a recipe cannot have."""
    delta, errors = overrides(pairs)
    findings = Findings()
    findings.errors += errors
    with findings:
        make_recipe(merge(recipe_document(name), delta))
    findings.raise_if_any()
