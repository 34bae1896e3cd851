"""A network by its name with new weights, for questions that need no trained ones."""

from __future__ import annotations

import torch

from cardinet.build.builder import build
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source
from cardinet.evaluate.opening import Make
from cardinet.networks.registry import find
from cardinet.runs.model_file import Model
from cardinet.train.input_preprocessing import choose_preprocessing
from cardinet.train.recipe import PreprocessingSettings


def fresh(device: str, *, network: str, seed: int) -> Make:
    """A function that makes the network with weights drawn from the seed, for the classes of a source.

    Without a source it has the classes of its paper. Raises RequestError for an unknown name.
    """
    row = find(network)

    def make(source: Source | None) -> tuple[Model, tuple[str, ...]]:
        spec = row.spec
        if source is not None:
            spec = spec.but(num_classes=len(source.classes), in_channels=source.channels)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            built = build(spec).to(device).eval()
        classes = source.classes if source is not None else tuple(f"class {i + 1}" for i in range(spec.num_classes))
        preprocessing = _preprocessing(row.input_size, spec.in_channels, source)
        return Model(built, spec, classes, preprocessing), (f"{row.id} has new weights, drawn from seed {seed}.",)

    return make


def _preprocessing(side: int, channels: int, source: Source | None) -> Preprocessing:
    """That of a training on the source; without a source, of pictures of the paper's size."""
    if source is not None:
        return choose_preprocessing(PreprocessingSettings(size=None if source.small else side), source, channels)
    return Preprocessing.model_validate(
        {"channels": channels, "crop": side, "mean": (0.5,) * channels, "std": (0.25,) * channels}
    )
