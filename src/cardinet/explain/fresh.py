"""A network by its name with new weights, for questions that need no trained ones."""

from __future__ import annotations

import torch

from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.build.meta import on_meta
from cardinet.data.labelling import ONE
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source
from cardinet.evaluate.opening import Make
from cardinet.networks.registry import find
from cardinet.runs.model_file import Model
from cardinet.train.input_preprocessing import choose_preprocessing
from cardinet.train.recipe import PreprocessingSettings


def fresh(device: str, *, network: str, seed: int) -> Make:
    """A function that makes the network with weights drawn from the seed, for the classes of a source.

    Without a source with classes it has the classes of its paper. Raises RequestError for an unknown name.
    """
    row = find(network)

    def make(source: Source | None) -> tuple[Model, tuple[str, ...]]:
        spec = row.spec
        source = source if source is not None and source.classes else None
        if source is not None:
            spec = spec.but(num_classes=len(source.classes), in_channels=source.channels)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            built = build(spec).to(device).eval()
        classes = source.classes if source is not None else tuple(f"class {i + 1}" for i in range(spec.num_classes))
        preprocessing, said = _preprocessing(built, row.input_size, source)
        labelling = ONE if source is None else source.labelling
        thresholds = labelling.first_thresholds(len(classes))
        model = Model(built, spec, classes, preprocessing, labelling=labelling, thresholds=thresholds)
        return model, (f"{row.id} has new weights, drawn from seed {seed}.", *said)

    return make


def _preprocessing(network: Classifier, side: int, source: Source | None) -> tuple[Preprocessing, tuple[str, ...]]:
    """That of a training on the source, and what is to be said; without a source, of pictures of the paper's size.

    Small pictures are enlarged to the paper's size if the network cannot take them.
    """
    channels: int = network.spec.in_channels
    if source is None:
        plain = {"channels": channels, "crop": side, "mean": (0.5,) * channels, "std": (0.25,) * channels}
        return Preprocessing.model_validate(plain), ()
    if source.size is not None and _takes(network, max(source.size)):
        return choose_preprocessing(PreprocessingSettings(), source, channels), ()
    said = (
        (f"It cannot take pictures of {max(source.size)} pixels; they are enlarged to {side}.",) if source.size else ()
    )
    return choose_preprocessing(PreprocessingSettings(size=side), source, channels), said


def _takes(network: Classifier, side: int) -> bool:
    """Whether pictures of this side are large enough for a network; a pass on the meta device costs no time."""
    try:
        on_meta(network)(torch.empty(1, network.spec.in_channels, side, side, device="meta"))
    except RuntimeError:
        return False
    return True
