"""Cardinet: the workbench for residual networks.

`create(id, num_classes=...)` builds a named network, `load(file)` a classifier from a model file, `count(id)`
counts. Importing this package imports nothing heavy.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cardinet.blocks.classifier import Classifier
    from cardinet.measure.counts import Counts
    from cardinet.runs.model_file import Model

__version__ = "0.1.0"
__all__ = ["__version__", "count", "create", "load"]


def create(network: str | Any, *, init: str = "torchvision", device: str = "cpu", **delta: Any) -> Classifier:
    """A network by its id (or from a description), with a delta such as `num_classes=5` or `cardinality=8`.

    It is drawn from torch's generator: `torch.manual_seed(0)` before gives torchvision's network bit for bit.
    Raises RequestError for an unknown name or setting.
    """
    from cardinet.networks.builder import build

    spec = _spec(network)
    return build(spec.but(**delta) if delta else spec, init=init, device=device)


def load(path: str | Path, device: str = "cpu") -> Model:
    """The classifier in a model file or run folder; `load(path).predict("cat.jpg")` names what it sees."""
    from cardinet.runs.model_file import load_model

    file = Path(path)
    return load_model(file / "model.safetensors" if file.is_dir() else file, device)


def count(network: str | Any, input_size: int | None = None, **delta: Any) -> Counts:
    """The exact counts of a network by its id (at its paper's input size), or of a description."""
    from cardinet.measure.counts import count_spec
    from cardinet.networks.registry import find

    spec = _spec(network)
    size = input_size or (find(network).input_size if isinstance(network, str) else 224)
    return count_spec(spec.but(**delta) if delta else spec, size)


def _spec(network: str | Any) -> Any:
    from cardinet.networks.registry import find

    return find(network).spec if isinstance(network, str) else network
