"""A named network with new weights whose batch norms have statistics, so that folding them is honest work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from cardinet.build.builder import build
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
            _settle(network, torch.randn(PICTURES, channels, side, side))
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


def _settle(network: nn.Module, pictures: torch.Tensor) -> None:
    """Draw the affine part of all BN, and take their statistics from one pass."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
        if norm.affine:
            nn.init.uniform_(norm.weight, 0.5, 1.0)
            nn.init.normal_(norm.bias, std=0.1)
    with torch.no_grad():
        network.train()(pictures)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        if norm.running_var is not None:  # a map of one pixel and few pictures may have none
            norm.running_var.clamp_(min=1e-3)
