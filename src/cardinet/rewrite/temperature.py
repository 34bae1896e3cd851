"""Divide the logits of a network by a temperature, so that its probabilities are calibrated.

The weights of the classifier take the factor. So whatever computes with the network or its file, in any format, gets
the calibrated logits, and nothing else has to know of a temperature. The answer to a picture stays the same.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError

NAME = "temperature"
"""The name of the rewrite in a model file."""

WEIGHTS = ("fc.weight", "fc.bias")
"""The parameters that take the factor."""


class _Step(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def arguments(self) -> Any: ...


class Scaled(nn.Module):
    """A network whose logits are multiplied by a factor."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x) * self.factor
        return logits


def with_temperature(network: nn.Module, temperature: float, was: float = 1.0) -> nn.Module:
    """A copy of a network whose logits are those at another temperature: multiplied by was / temperature.

    `was` is the temperature that the network has already. Raises RequestError for a network whose `fc` is not a
    linear layer, and for a temperature that is not a finite number above 0.
    """
    fc = getattr(network, "fc", None)
    if not isinstance(fc, nn.Linear):
        raise RequestError("A temperature needs a network with a linear classifier `fc`.")
    for value in (temperature, was):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise RequestError(f"temperature = {value!r}: give a number above 0.")
    twin: Any = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in twin.fc.parameters():
            parameter.mul_(was / temperature)
    return twin  # type: ignore[no-any-return]


def temperature_of(steps: Iterable[_Step]) -> float:
    """The temperature of a network after its rewrites; 1 if it has none."""
    last = [float(step.arguments["temperature"]) for step in steps if step.name == NAME]
    return last[-1] if last else 1.0


def trained_tensors(
    tensors: Mapping[str, Tensor], rewrites: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Tensor], tuple[Mapping[str, Any], ...], float]:
    """The tensors and the rewrites of a model file as if it had no temperature, and the temperature.

    `rewrites` are documents of steps; invalid ones stay.
    """
    found, kept = 1.0, []
    for document in rewrites:
        arguments = document.get("arguments")
        value = arguments.get("temperature") if isinstance(arguments, Mapping) else None
        if document.get("name") == NAME and isinstance(value, int | float) and 0 < value < math.inf:
            found = float(value)
        else:
            kept.append(document)
    scaled = {name: tensors[name] * found for name in WEIGHTS if name in tensors and found != 1.0}
    return {**tensors, **scaled}, tuple(kept), found
