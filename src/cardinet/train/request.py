"""From what the user asked for to a task that can start: every check before any work, all findings at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

from cardinet.base.errors import Findings, RequestError
from cardinet.base.settings import merge, parse_assignments, validate
from cardinet.data.admission import admit
from cardinet.data.check import examined
from cardinet.data.findings import Finding
from cardinet.data.kinds import absolute
from cardinet.data.settings import DataSettings
from cardinet.data.source import open_source
from cardinet.networks.builder import build
from cardinet.networks.part import to_document
from cardinet.rewrite.registry import apply
from cardinet.runs.environment import device_of, require_one_process
from cardinet.train.fitting import check, fit, kind_of
from cardinet.train.listener import Listener
from cardinet.train.recipe import NetworkSettings, Recipe, make_recipe, overrides, recipe_document
from cardinet.train.task import Task
from cardinet.weights.contents import Weights
from cardinet.weights.match import match, settled
from cardinet.weights.settled import given_settings
from cardinet.weights.source import read_weights


@dataclass(frozen=True)
class Request:
    """A training run as asked for. `settings` are (key, value) pairs, by dotted path or short name.

    `assignments` are more of them as text, KEY=VALUE.
    """

    network: str | None = None
    recipe: str = "quick"
    settings: tuple[tuple[str, Any], ...] = ()
    assignments: tuple[str, ...] = ()
    weights: str | None = None
    out: Path | None = None
    command: str = ""


@dataclass(frozen=True)
class Resolved:
    """A request with nothing left open: its task, the initial weights, what was skipped and chosen on the way.

    `findings` are what the pictures were found to be, bad ones and others.
    """

    request: Request
    task: Task
    weights: Weights | None
    skipped: tuple[str, ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


def resolve(request: Request, listener: Listener) -> Resolved:
    """Check everything and choose what was left open. Raises CardinetError with every finding at once."""
    findings = Findings()
    pairs = [("network.id", request.network)] if request.network is not None else []
    pairs += request.settings
    with findings:
        pairs += parse_assignments(list(request.assignments)).items()
    delta, errors = overrides(pairs)
    findings.errors += errors
    document: dict[str, Any] = {}
    with findings:
        document = recipe_document(request.recipe)
    asked = merge(document, delta)
    with findings:
        make_recipe(asked)
    with findings:
        _check_device(asked.get("machine"))
    with findings:
        _check_network(asked.get("network"))
    with findings:
        settings = validate(DataSettings, asked.get("data", {}), "data.")
        source = open_source(settings.source, settings)
        source = replace(source, text=absolute(source.text))  # what is stored must not depend on the working folder
    with findings:
        require_one_process()
    with findings:
        check_out(request.out)
    weights = None
    with findings:
        weights = None if request.weights is None else read_weights(request.weights)
    findings.raise_if_any()

    delta = _with_rewritten(delta, weights)
    recipe = make_recipe(merge(recipe_document(request.recipe, kind_of(source)), delta))
    found = check(recipe, source)
    said: tuple[str, ...] = ()
    if weights is not None:
        recipe, said = _with_settled(recipe, found.spec, weights)
    findings_on = examined(source, recipe.data, lambda done, total: listener.progress("checking pictures", done, total))
    source, left_out = admit(source, recipe.data, findings_on)
    task, notes = fit(recipe, source, flips_asked="flip" in delta.get("augmentation", {}))
    skipped = tuple(sorted(finding.identity for finding in left_out))
    return Resolved(
        request,
        task,
        weights,
        skipped,
        (*said, *(f"Skipped: {f.sentence()}" for f in left_out), *notes),
        tuple(findings_on),
    )


def _with_settled(recipe: Recipe, spec: Any, weights: Weights) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with the network's settings that the weights fix, and sentences on them.

    Raises RequestError for weights that do not fit the network.
    """
    given = given_settings(recipe.network.delta)
    if steps := recipe.network.steps():
        match(apply(build(spec, device="meta"), steps), weights, given)
        return recipe, ()
    fixed, said = settled(spec, weights, given)
    match(build(spec.but(**fixed), device="meta"), weights, given)
    return recipe.but("network", delta={**recipe.network.delta, **fixed}), said


def _with_rewritten(delta: dict[str, Any], weights: Weights | None) -> dict[str, Any]:
    """The settings, where they name no network, with that of a model file that was rewritten: no name describes it."""
    if weights is None or not weights.rewrites or {"id", "spec"} & delta.get("network", {}).keys():
        return delta
    own = {"id": "rewritten", "spec": to_document(weights.spec), "rewrites": list(weights.rewrites)}
    return merge(delta, {"network": own})


def _check_device(asked: Any) -> None:
    """Apart from the other settings, so that a wrong one among these does not hide a device that is not there."""
    if isinstance(asked, Mapping) and isinstance(asked.get("device"), str):
        device_of(asked["device"])


def _check_network(asked: Any) -> None:
    if not isinstance(asked, Mapping) or not isinstance(asked.get("delta", {}), Mapping):
        return  # make_recipe says so
    settings = validate(NetworkSettings, asked, "network.")
    if settings.id != "auto" or settings.spec is not None:
        settings.described().but(**settings.delta)


def check_out(out: Path | None) -> None:
    """Raise RequestError when the folder for a new run is there already, or cannot be made."""
    if out is None:
        return
    if out.exists():
        go_on = f" (or go on with --resume {quote(str(out))})" if (out / "run.toml").exists() else ""
        raise RequestError(f"{out} exists; give --out a folder that does not{go_on}.")
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        why = "cannot be written to" if above.is_dir() else "is a file"
        raise RequestError(f"The run folder {out} cannot be made: {above} {why}; give --out another place.")
