"""A named network with new weights whose batch norms have statistics, so that folding them is honest work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from cardinet.build.builder import build
from cardinet.build.drawn import with_drawn_values
from cardinet.build.meta import on_meta
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.family import Named
from cardinet.runs.model_file import Model

PICTURES = 4
"""The random pictures whose statistics batch norms get."""


def fresh_model(row: Named, delta: Mapping[str, Any], side: int, seed: int) -> Model:
    """The network of a row with a delta, drawn from the seed, for pictures of this side.

    The affine part of BN is drawn too, and its statistics are those of random pictures: otherwise all BN of a new
    network would be the identity, and a program that leaves it out would give the right answers.
    """
    spec = row.spec.but(**delta) if delta else row.spec
    channels: int = spec.in_channels
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(spec)
        if takes(network, side):  # if not, the user is told so
            with_drawn_values(network, torch.randn(PICTURES, channels, side, side))
    plain = {"channels": channels, "crop": side, "mean": (0.5,) * channels, "std": (0.25,) * channels}
    classes = tuple(f"class {i + 1}" for i in range(spec.num_classes))
    return Model(network.eval(), spec, classes, Preprocessing.model_validate(plain))


def takes(network: nn.Module, side: int) -> bool:
    """Whether pictures of this side are large enough for a network; a pass on the meta device costs no time."""
    spec: Any = network.spec
    try:
        on_meta(network)(torch.empty(1, spec.in_channels, side, side, device="meta"))
    except RuntimeError:
        return False
    return True
