"""A named network with weights from elsewhere, as a classifier of the classes of a source."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.data.source import Source
from cardinet.networks.family import Named
from cardinet.runs.model_file import Model
from cardinet.train.inputs import choose_preprocessing
from cardinet.train.recipe import PreprocessingSettings
from cardinet.train.starting import channels_of, in_words, preprocessing_settings, shorter_side
from cardinet.weights.contents import Weights
from cardinet.weights.match import load, settled
from cardinet.weights.settled import given_settings


def pretrained(
    row: Named, delta: Mapping[str, Any], weights: Weights, source: Source, device: str
) -> tuple[Model, tuple[str, ...]]:
    """The network of a row with a delta and the settings that the weights fix, and what became of every tensor.

    Raises RequestError for weights that do not fit, or have no classifier for the source's classes.
    """
    given = given_settings(delta)
    spec = row.spec.but(**{"num_classes": len(source.classes), "in_channels": source.channels, **delta})
    empty = build(spec, device="meta")
    channels, channels_said = channels_of(empty, delta, source, weights)
    fixed, said = settled(empty, weights, given)
    said = (*channels_said, *said)
    spec = spec.but(in_channels=channels, **fixed)
    network = build(spec).to(device)
    match = load(network, weights, given, source.classes)
    if match.reinitialised:
        raise RequestError(
            f"{weights.source} has no classifier for the {len(source.classes)} classes of {source.text}, so there is "
            f"nothing to evaluate; train one first: cardinet train {row.id} --weights {shlex.quote(weights.source)} "
            "--data ..."
        )
    asked = PreprocessingSettings(size=None if source.small else row.input_size)  # the paper's, whatever these pictures
    if (own := weights.preprocessing) is not None:
        asked = PreprocessingSettings(**preprocessing_settings(own, {}, spec.in_channels))
    preprocessing = choose_preprocessing(asked, source, spec.in_channels)
    if own is not None:
        side = shorter_side(own, preprocessing.resize)
        said = (*said, f"The preprocessing of {weights.source} is used: {in_words(own)}.{side}")
    return Model(network.eval(), spec, source.classes, preprocessing), (*said, *match.sentences())
