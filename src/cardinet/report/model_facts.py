"""The facts about a named network or a model file, as one document: its exact counts, description and origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardinet.base.errors import RequestError
from cardinet.base.settings import parse_group
from cardinet.build.builder import build
from cardinet.evaluate.opening import AskedModel, model_path, opened
from cardinet.measure.counts import Counts, count, count_spec
from cardinet.networks.document import to_document
from cardinet.networks.registry import find
from cardinet.rewrite.steps import apply, steps_from_document


@dataclass(frozen=True)
class ModelFacts:
    """The counts, plain data about the network or the file, and sentences for the user.

    The counted network is that of the description `spec` after these `rewrites`, by name.
    """

    counts: Counts
    facts: Mapping[str, Any]
    spec: Any
    rewrites: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_document(self) -> dict[str, Any]:
        """Plain data, as `cardinet info --json` prints it."""
        return {**self.facts, **self.counts.to_document()}


def model_facts(name: str, words: Sequence[str] = (), input_size: int | None = None) -> ModelFacts:
    """The facts about a network, given its name, or about a run folder or model file, given its path.

    `words` are changes to a named network ("cardinality=8"). The default input size is that of the paper, or of the
    model. Raises RequestError for an unknown name, wrong words, words for a model file, or a size that the network
    cannot take, and WorkError for a damaged file.
    """
    path = model_path(name)
    return _facts_of_network(name, words, input_size) if path is None else _facts_of_file(str(path), words, input_size)


def _facts_of_network(name: str, words: Sequence[str], input_size: int | None) -> ModelFacts:
    """If the paper counts another form than the trained one (RepVGG, ResRep), both are counted."""
    row = find(name)
    delta, side = parse_group(words, "network"), input_size or row.input_size
    spec = row.spec.but(**delta) if delta else row.spec
    counts = count_spec(spec, side)
    facts: dict[str, Any] = {"id": row.id, "family": row.family, "paper": row.paper, "spec": to_document(spec)}
    if row.reading:
        facts["reading"] = row.reading
    for field, form in row.printed_form.items() if not words else ():
        trained, spec = getattr(spec, field), spec.but(**{field: form})
        printed = count_spec(spec, side)
        facts |= {field: form, "forms": {form: _totals(printed), trained: _totals(counts)}}
        counts = printed
    if row.printed_steps and not words:
        steps = steps_from_document(row.printed_steps)
        rewritten = apply(build(spec, device="meta"), steps)
        printed = count(rewritten, side, spec.in_channels)
        facts |= {"form": "printed", "forms": {"printed": _totals(printed), "built": _totals(counts)}}
        return ModelFacts(printed, facts, spec, tuple(step.name for step in steps))
    return ModelFacts(counts, facts, spec)


def _facts_of_file(path: str, words: Sequence[str], input_size: int | None) -> ModelFacts:
    if words:
        raise RequestError(
            "--set changes the description of a named network, not a trained model; give the name of a network instead."
        )
    found = opened(AskedModel(model=path))
    model, pictures = found.model, found.model.preprocessing
    counts = count(model.network.to("meta"), input_size or pictures.crop, pictures.channels)
    facts = {"id": model.training.get("network", "custom"), "file": path, "spec": to_document(model.spec)}
    facts |= {"rewrites": [step.to_document() for step in model.rewrites], "classes": list(model.classes)}
    facts |= {"preprocessing": pictures.as_settings(), "training": model.training, "version": model.version}
    facts |= {"temperature": model.temperature, "labels": model.labelling.NAME}
    if model.thresholds:
        facts |= {"thresholds": dict(zip(model.classes, model.thresholds, strict=False))}
    rewrites = tuple(step.name for step in model.rewrites)
    return ModelFacts(counts, facts, model.spec, rewrites, found.notes)


def _totals(counts: Counts) -> dict[str, Any]:
    return {key: value for key, value in counts.to_document().items() if key != "stages"}
