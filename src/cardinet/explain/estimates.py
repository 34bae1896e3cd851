"""Unrolled iterative estimation: how far each unit's output is from the end of its stage.

Greff, Srivastava and Schmidhuber 2016 (arXiv 1612.07771): the units of a stage refine one estimate. So the mean
distance is near 0 from the first unit on, and its spread falls.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cardinet.base.errors import WorkError
from cardinet.blocks.classifier import Classifier
from cardinet.blocks.levels import Level
from cardinet.explain.chain import Chain, chain_of
from cardinet.explain.switches import replica
from cardinet.explain.units import map_shapes


@dataclass(frozen=True)
class Distance:
    """The output of a unit less that of the last unit of its stage, over all pictures, channels and places.

    `mean` and `spread` (standard deviation) are in units of the deviation of the last output.
    """

    unit: str
    stage: str
    mean: float
    spread: float


def stages_of(network: Classifier) -> dict[str, list[int]]:
    """The numbers of the states after the units of each stage (`Chain.before`); all of a stage have one shape.

    A stage has at least two. The last one is the end of the stage, behind its own shortcut if it has one.
    """
    chain, shapes = chain_of(network), map_shapes(network)
    return _stages(chain, shapes)


def _stages(chain: Chain, shapes: list[Any]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for i, step in enumerate(chain.steps):
        inside = step.stage.startswith("layer") and step.name != step.stage
        if inside and (step.unit or isinstance(step.module, Level)):
            found.setdefault(step.stage, []).append(i + 1)
    alike = {stage: [i for i in numbers if shapes[i] == shapes[numbers[-1]]] for stage, numbers in found.items()}
    return {stage: numbers for stage, numbers in alike.items() if len(numbers) > 1}


def distances(network: Classifier, batches: Iterable[Tensor]) -> list[Distance]:
    """The distance of every unit but the last one of its stage. The sums are float64.

    `batches` are normalised pictures (B, C, H, W). Raises WorkError if the end of a stage is constant or not finite.
    """
    chain, stages = chain_of(replica(network).eval()), stages_of(network)
    stage_of = {i: stage for stage, numbers in stages.items() for i in numbers}
    sums: dict[int, Tensor] = {}
    with torch.inference_mode():
        for pixels in batches:
            outputs: dict[int, Tensor] = {}
            for i, state in chain.before(pixels, stage_of):
                outputs[i] = _flat(state.x)
                if i == stages[stage_of[i]][-1]:
                    for j, moments in _moments_to(i, outputs).items():
                        sums[j] = sums.get(j, 0) + moments
                    outputs = {}
    return [one for stage, numbers in stages.items() for one in _of_stage(chain, stage, numbers, sums)]


def _of_stage(chain: Chain, stage: str, numbers: list[int], sums: Mapping[int, Tensor]) -> list[Distance]:
    _, scale = _mean_and_deviation(sums[numbers[-1]])
    if not 0 < scale < math.inf:
        raise WorkError(
            f"The outputs at the end of {stage} have the standard deviation {scale:.3g}, so distances have no unit."
        )
    found = []
    for i in numbers[:-1]:
        mean, spread = _mean_and_deviation(sums[i])
        found.append(Distance(chain.steps[i - 1].name, stage, mean / scale, spread / scale))
    return found


def _flat(value: Any) -> Tensor:
    """All values of a map, or of the maps of several streams, as a float64 copy."""
    maps = [value] if isinstance(value, Tensor) else list(value)
    return torch.cat([one.double().flatten() for one in maps])


def _moments_to(end: int, outputs: Mapping[int, Tensor]) -> dict[int, Tensor]:
    """The moments of the distances to the end of a stage, and of the end itself."""
    last = outputs[end]
    return {i: _moments(last if i == end else output - last) for i, output in outputs.items()}


def _moments(values: Tensor) -> Tensor:
    """The number of values, their sum, and the sum of their squares."""
    count = values.new_tensor(float(values.numel()))
    return torch.stack([count, values.sum(), values.square().sum()])


def _mean_and_deviation(moments: Tensor) -> tuple[float, float]:
    """NaN is the deviation of values that are not finite."""
    count, total, squares = moments.tolist()
    mean = total / count
    variance = squares / count - mean * mean
    return mean, math.nan if math.isnan(variance) else math.sqrt(max(variance, 0.0))
