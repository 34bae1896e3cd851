"""Models to export, and what the tests ask of the files."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from cardinet.data.preprocessing import Preprocessing
from cardinet.export.runner import Runner
from cardinet.runs.model_file import Model
from networks.citizen import Subject


def model_of(it: Subject) -> Model:
    """A network as a model, with made-up class names."""
    channels, side = it.x.shape[1], it.x.shape[2]
    classes = tuple(f"class {i}" for i in range(it.network.num_classes))
    preprocessing = Preprocessing(
        channels=channels, crop=side, mean=(0.4, 0.5, 0.6)[:channels], std=(0.2, 0.25, 0.3)[:channels]
    )
    return Model(it.network.eval(), it.network.spec, classes, preprocessing)


def pixels(model: Model, count: int) -> torch.Tensor:
    """Random pictures of a model's input, uint8."""
    p, generator = model.preprocessing, torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, p.channels, p.crop, p.crop), dtype=torch.uint8, generator=generator)


def relative_difference(runner: Runner, network: nn.Module, x: torch.Tensor) -> float:
    """The largest difference of a logit, as a share of the network's largest; the shapes have to be the same."""
    with torch.no_grad():
        expected = network(x).numpy()
    found = runner.logits(x.contiguous().numpy())
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    return float(np.abs(found - expected).max() / np.abs(expected).max())


class Broken:
    """A runner that gives another runner's logits, changed."""

    def __init__(self, runner: Any, change: Any) -> None:
        self.runner, self.change, self.about = runner, change, runner.about

    def logits(self, x: Any) -> Any:
        return self.change(self.runner.logits(x))
