"""Turn a user's request into a task that can start: all checks before any work, all findings at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from cardinet.base.errors import Findings, RequestError
from cardinet.base.output_paths import check_new_folder
from cardinet.base.settings import merge, parse_assignments, validate
from cardinet.blocks.classifier import Classifier
from cardinet.data.admission import admit
from cardinet.data.check import findings_on_pictures
from cardinet.data.data_settings import DataSettings, named_augmentations
from cardinet.data.findings import Finding
from cardinet.data.source import Source, open_source, settings_for
from cardinet.measure.memory import Memory
from cardinet.runs.environment import device_of, require_one_process
from cardinet.runs.ranks import ALONE, Ranks
from cardinet.train.callbacks import check_callbacks
from cardinet.train.draft import Draft
from cardinet.train.fitting import Fit, check, fit, picture_kind
from cardinet.train.initial_weights import drawn_tensors, with_network, with_weights
from cardinet.train.input_preprocessing import check_size
from cardinet.train.label_fit import with_objective
from cardinet.train.listener import Listener
from cardinet.train.methods import Method
from cardinet.train.recipe import (
    NetworkSettings,
    PreprocessingSettings,
    Recipe,
    check_alone,
    make_recipe,
    overrides,
    recipe_document,
)
from cardinet.train.task import Task
from cardinet.train.trackers import Tracker
from cardinet.train.watching import trackers_of
from cardinet.weights.contents import Weights
from cardinet.weights.weight_source import read_weights

Opener = Callable[[str, DataSettings], Source]
"""Opens a source by its text and settings, as `open_source` does."""


@dataclass(frozen=True)
class Request:
    """A request for a training run. `settings` are (key, value) pairs, by dotted path or short name.

    `assignments` are further settings as text, KEY=VALUE. `callbacks` are methods of the program that asks. `watch` are
    trackers, or text for them.
    """

    network: str | None = None
    recipe: str = "quick"
    settings: tuple[tuple[str, Any], ...] = ()
    assignments: tuple[str, ...] = ()
    weights: str | None = None
    out: Path | None = None
    command: str = ""
    callbacks: tuple[Method, ...] = ()
    watch: tuple[str | Tracker, ...] = ()


@dataclass(frozen=True)
class Resolved:
    """A complete request: its task, the initial weights, and notes on skipped pictures and choices.

    `network` is the initial network on the meta device, `memory` that of a step. `findings` are all findings on the
    pictures. `trackers` are those of the leader.
    """

    request: Request
    task: Task
    network: Classifier
    memory: Memory
    weights: Weights | None
    skipped: tuple[str, ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    trackers: tuple[Tracker, ...] = ()

    @property
    def callbacks(self) -> tuple[Method, ...]:
        return self.request.callbacks


@dataclass(frozen=True)
class Stated:
    """The contents of a request: its recipe for the kind of its pictures, its own settings, its pictures and weights.

    `preprocessing` are the settings of this group in the recipe or the request. `beside` are faults that hinder no
    further check, such as an output folder that exists.
    """

    recipe: Recipe
    delta: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    source: Source
    weights: Weights | None
    trackers: tuple[Tracker, ...]
    beside: Findings


def resolve(request: Request, listener: Listener, opener: Opener = open_source, ranks: Ranks = ALONE) -> Resolved:
    """Check everything and choose all open settings. Raises CardinetError with all findings at once.

    `opener` opens the source, for callers that check many requests of the same pictures. `ranks` are the processes
    that train together.
    """
    stated = _state(request, opener, ranks)
    source, weights = stated.source, stated.weights
    recipe, found, said = _combined(stated, ranks)
    findings = findings_on_pictures(
        source, recipe.data, lambda done, total: listener.progress("checking pictures", done, total)
    )
    source, left_out = admit(source, recipe.data, findings)
    if left_out:
        found = check(recipe, source, found.draft, ranks)
    task, notes = fit(recipe, source, found, asked=named_augmentations(stated.delta.get("augmentation", {})))
    check_callbacks(request.callbacks, tuple(recipe.methods), found.draft.network, task.conditions)
    notes += [note for callback in request.callbacks for note in callback.notes(task.conditions)]
    random = drawn_tensors(task, found.draft.network, weights)
    for method in (*recipe.methods.values(), *request.callbacks):
        notes += method.doubts(found.draft.network, random)
    return Resolved(
        request,
        task,
        found.draft.network,
        found.memory,
        weights,
        tuple(sorted(finding.identity for finding in left_out)),
        (*said, *(f"Skipped: {f.sentence()}" for f in left_out), *notes),
        tuple(findings),
        stated.trackers,
    )


def _combined(stated: Stated, ranks: Ranks) -> tuple[Recipe, Fit, tuple[str, ...]]:
    """The recipe with the settings of the weights, how it fits the pictures, and sentences on the changes.

    Raises CardinetError with all faults of the combination, and those that were found beside.
    """
    recipe, source, weights = stated.recipe, stated.source, stated.weights
    network: Draft | None = None
    found: Fit | None = None
    said: tuple[str, ...] = ()
    findings = stated.beside
    with findings:
        if weights is not None:
            recipe = with_network(recipe, stated.delta.get("network", {}), weights)
            recipe, network, said = with_weights(recipe, stated.preprocessing, source, weights)
        found = check(recipe, source, network, ranks)
    findings.raise_if_any()
    assert found is not None
    return recipe, found, said


def _state(request: Request, opener: Opener, ranks: Ranks) -> Stated:
    """The contents of a request, before weights and pictures are combined.

    Raises CardinetError with all faults of its recipe, settings, source, weights and output folder if one of them
    hinders further checks.
    """
    findings, of_source, beside = Findings(), Findings(), Findings()
    delta = _delta(request, findings)
    document = delta
    with findings:
        try:
            document = merge(recipe_document(request.recipe), delta)
        except RequestError:
            with findings:
                check_alone(delta)
            raise
    source: Source | None = None
    with of_source:
        data = document.get("data", {})
        settings = settings_for(data.get("source") if isinstance(data, Mapping) else None, data, "data.")
        source = opener(settings.source, settings)
        if request.weights is None:  # weights may bring a size, which `check` checks
            check_size(validate(PreprocessingSettings, document.get("preprocessing", {}), "preprocessing."), source)
    recipe, fitted = Recipe(), document
    with findings:
        if source is not None:
            fitted = merge(recipe_document(request.recipe, picture_kind(source)), delta)
        recipe = make_recipe(fitted)
        if source is not None:
            recipe = with_objective(recipe, source.labelling, asked="objective" in delta)
    with beside:
        _check_device(document.get("machine"))
    with findings:
        _check_network(document.get("network"))
    findings.errors += of_source.errors
    with beside:
        require_one_process(ranks)
    with beside:
        check_out(request.out)
    trackers: tuple[Tracker, ...] = ()
    with beside:
        trackers = trackers_of(request.watch) if ranks.leads else ()
    weights = None
    with findings:
        weights = None if request.weights is None else read_weights(request.weights, _named(document))
        if weights is None and document.get("from_weights") is True:
            raise RequestError(
                f'The recipe "{request.recipe}" starts from weights; name them with --weights, or start new with '
                "--recipe quick."
            )
    if findings:
        findings.errors += beside.errors
        findings.raise_if_any()
    assert source is not None
    return Stated(recipe, delta, fitted.get("preprocessing", {}), source, weights, trackers, beside)


def _delta(request: Request, findings: Findings) -> dict[str, Any]:
    """The settings that a request gives beside its recipe. Their faults are added to the findings."""
    pairs: list[tuple[str, Any]] = [("network.id", request.network)] if request.network is not None else []
    pairs += request.settings
    with findings:
        pairs += parse_assignments(list(request.assignments)).items()
    delta, errors = overrides(pairs)
    findings.errors += errors
    return delta


def _named(asked: Mapping[str, Any]) -> str | None:
    """The network that a request names, if it names one."""
    network = asked.get("network")
    name = network.get("id") if isinstance(network, Mapping) else None
    return name if isinstance(name, str) and name != "auto" else None


def _check_device(asked: Any) -> None:
    """Check the device separately, so that another wrong setting does not hide a missing device."""
    if isinstance(asked, Mapping) and isinstance(asked.get("device"), str):
        device_of(asked["device"])


def _check_network(asked: Any) -> None:
    if not isinstance(asked, Mapping) or not isinstance(asked.get("delta", {}), Mapping):
        return  # make_recipe says so
    settings = validate(NetworkSettings, asked, "network.")
    if settings.id != "auto" or settings.spec is not None:
        settings.described().but(**settings.delta)


def check_out(out: Path | None) -> None:
    """Raise RequestError if the folder for a new run exists already or cannot be made."""
    if out is None:
        return
    go_on = f" (or continue with --resume {quote(str(out))})" if (out / "run.toml").is_file() else ""
    check_new_folder(out, parents=True, hint=go_on)
