"""Unrolled iterative estimation: how far each unit's output is from the end of its stage.

Greff, Srivastava and Schmidhuber 2016 (arXiv 1612.07771): the units of a stage refine one estimate. So the mean
distance is near 0 from the first unit on, and its spread falls.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cardinet.blocks.classifier import Classifier
from cardinet.explain.chain import Chain, chain_of
from cardinet.explain.switches import replica


@dataclass(frozen=True)
class Distance:
    """The output of a unit less that of the last unit of its stage, over all pictures, channels and places.

    `mean` and `spread` (standard deviation) are in units of the deviation of the last output.
    """

    unit: str
    stage: str
    mean: float
    spread: float


def stages_of(chain: Chain, states: Sequence[Any]) -> dict[str, list[int]]:
    """For each stage the numbers of its states after a unit, where all have the shape of the last one; at least two."""
    found: dict[str, list[int]] = {}
    for i, step in enumerate(chain.steps):
        if step.stage.startswith("layer") and step.name != step.stage and not step.name.endswith((".entry", ".end")):
            found.setdefault(step.stage, []).append(i + 1)
    for stage, numbers in found.items():
        last = _shape(states[numbers[-1]].x)
        found[stage] = [i for i in numbers if _shape(states[i].x) == last]
    return {stage: numbers for stage, numbers in found.items() if len(numbers) > 1}


def distances(network: Classifier, batches: Iterable[Tensor]) -> list[Distance]:
    """The distance of every unit but the last one of its stage. The sums are float64."""
    chain = chain_of(replica(network).eval())
    sums: dict[int, Tensor] = {}
    ends: dict[int, Tensor] = {}
    stages: dict[str, list[int]] = {}
    with torch.inference_mode():
        for pixels in batches:
            states = chain.states(pixels)
            stages = stages or stages_of(chain, states)
            for numbers in stages.values():
                last = _flat(states[numbers[-1]].x)
                ends[numbers[-1]] = ends.get(numbers[-1], 0) + _moments(last)
                for i in numbers[:-1]:
                    sums[i] = sums.get(i, 0) + _moments(_flat(states[i].x) - last)
    found = []
    for stage, numbers in stages.items():
        _, scale = _mean_and_deviation(ends[numbers[-1]])
        for i in numbers[:-1]:
            mean, spread = _mean_and_deviation(sums[i])
            found.append(Distance(chain.steps[i - 1].name, stage, mean / scale, spread / scale))
    return found


def _shape(value: Any) -> Any:
    return tuple(value.shape) if isinstance(value, Tensor) else tuple(_shape(one) for one in value)


def _flat(value: Any) -> Tensor:
    """All values of a map, or of the maps of several streams, float64."""
    maps = [value] if isinstance(value, Tensor) else list(value)
    return torch.cat([one.double().flatten() for one in maps])


def _moments(values: Tensor) -> Tensor:
    """The number of values, their sum, and the sum of their squares."""
    return torch.stack([torch.tensor(float(values.numel()), dtype=torch.float64), values.sum(), values.square().sum()])


def _mean_and_deviation(moments: Tensor) -> tuple[float, float]:
    count, total, squares = moments.tolist()
    mean = total / count
    return mean, math.sqrt(max(squares / count - mean * mean, 0.0)) or 1.0
