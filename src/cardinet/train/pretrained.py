"""A named network with given weights, as a classifier of a source's classes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from cardinet.base.errors import Findings, RequestError
from cardinet.base.settings import parse_group
from cardinet.build.builder import build
from cardinet.data.source import Source
from cardinet.evaluate.opening import Make, model_path
from cardinet.networks.family import Named
from cardinet.networks.registry import find
from cardinet.runs.model_file import Model
from cardinet.train.initial_weights import channels_of, in_words, preprocessing_settings, shorter_side
from cardinet.train.input_preprocessing import choose_preprocessing
from cardinet.train.recipe import PreprocessingSettings
from cardinet.weights.contents import Weights
from cardinet.weights.hidden_settings import given_settings
from cardinet.weights.match import fixed_settings, load
from cardinet.weights.own_classes import own_classes
from cardinet.weights.weight_source import read_weights


def pretrained(
    row: Named, delta: Mapping[str, Any], weights: Weights, source: Source | None, device: str
) -> tuple[Model, tuple[str, ...]]:
    """The network of a row with a delta and the settings that the weights fix, and sentences on every tensor.

    Its classes are those of the source, or those of the weights if the pictures have none (`own_classes`).
    Raises RequestError for weights that do not fit, or that have no classifier for the source's classes.
    """
    if source is None:
        raise RequestError("--weights needs pictures, as their classes are those of the network; name them too.")
    given, named = given_settings(delta), ""
    if labelled := bool(source.classes):
        classes = source.classes
    else:
        classes, named = own_classes(build(row.spec.but(**delta), device="meta"), weights)
    spec = row.spec.but(**{"num_classes": len(classes), "in_channels": source.channels, **delta})
    empty = build(spec, device="meta")
    channels, channels_said = channels_of(empty, delta, source, weights)
    fixed, said = fixed_settings(empty, weights, given)
    said = (*filter(None, [named]), *channels_said, *said)
    spec = spec.but(in_channels=channels, **fixed)
    network = build(spec).to(device)
    match = load(network, weights, given, classes if labelled else ())
    if match.reinitialised:
        raise RequestError(
            f"{weights.source} has no classifier for the {len(classes)} classes of {source.text}, so there is "
            f"nothing to evaluate; train one first: cardinet train {row.id} --weights {shlex.quote(weights.source)} "
            "--data ..."
        )
    asked = PreprocessingSettings(size=None if source.small else row.input_size)  # the paper's size, for any pictures
    if (own := weights.preprocessing) is not None:
        asked = PreprocessingSettings(**preprocessing_settings(own, {}, spec.in_channels))
    preprocessing = choose_preprocessing(asked, source, spec.in_channels)
    if own is not None:
        side = shorter_side(own, preprocessing.resize)
        said = (*said, f"The preprocessing of {weights.source} is used: {in_words(own)}.{side}")
    model = Model(
        network.eval(),
        spec,
        classes,
        preprocessing,
        labelling=source.labelling,
        thresholds=source.labelling.first_thresholds(len(classes)),
    )
    return model, (*said, *match.sentences())


def prepared(device: str, *, network: str, weights: str, words: Sequence[str] = (), compare: bool = True) -> Make:
    """What makes a network of the registry with weights for a source's classes, for `opening.AskedModel`.

    `words` change its description as a user writes them ("cardinality=8"). All that can be checked without the source
    is. Raises RequestError and WorkError with everything that is wrong.
    """
    findings, delta = Findings(), {}
    with findings:
        delta = parse_group(words, "network")
    with findings:
        if model_path(network) is not None:
            raise RequestError(f"--weights needs the name of a network; the file {network} has its own parameters.")
        row = find(network)
        row.spec.but(**delta)
    with findings:
        found = read_weights(weights, network, compare)
        if found.model_file:
            raise RequestError(
                f"{weights} is a model file, which has its network and classes; write cardinet eval {weights}."
            )
    findings.raise_if_any()
    return lambda source: pretrained(row, delta, found, source, device)
