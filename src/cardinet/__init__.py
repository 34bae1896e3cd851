"""Cardinet: the workbench for residual networks.

`create(id, num_classes=...)` builds a named network, `count(id)` counts it; `train(network, data)` trains one as the
command does, `sweep(file)` many over a space of settings, and `find_lr` suggests a learning rate. `load(file)` gives
the classifier in a model file, whose `predict` takes pictures, and `save(model, file)` writes it; `evaluate(model,
data)` measures it exactly and `export(model, file)` writes it for another runtime. `compile(model)` runs a model as
fast as this machine can. `source` makes a data set of a program one of its sources. `load_weights` and `save_weights`
exchange parameters with other programs. `with no_bounds():` builds and tries what is larger than the bounds. What goes
wrong is a `RequestError` or a `WorkError`, both `CardinetError`. Importing this package imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, overload

from cardinet.base.bounds import no_bounds
from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.base.version import __version__
from cardinet.python.find_lr import find_lr

if TYPE_CHECKING:
    from cardinet.blocks.classifier import Classifier
    from cardinet.blocks.features import FeatureNetwork
    from cardinet.data.kinds.datasets import Given
    from cardinet.evaluate.job import evaluate_model as evaluate
    from cardinet.export.job import export_file as export
    from cardinet.measure.counts import Counts
    from cardinet.python.sweep import sweep
    from cardinet.python.train import train
    from cardinet.runs.model_file import Model
    from cardinet.weights.match import Match
else:
    from cardinet import evaluate, export, sweep, train

__all__ = [
    "CardinetError",
    "RequestError",
    "WorkError",
    "__version__",
    "compile",
    "count",
    "create",
    "evaluate",
    "export",
    "find_lr",
    "load",
    "load_weights",
    "no_bounds",
    "save",
    "save_weights",
    "source",
    "sweep",
    "train",
]

_CALLED = {
    "cardinet.evaluate": ("cardinet.evaluate.job", "evaluate_model"),
    "cardinet.export": ("cardinet.export.job", "export_file"),
    "cardinet.sweep": ("cardinet.python.sweep", "sweep"),
    "cardinet.train": ("cardinet.python.train", "train"),
}


class _Room(ModuleType):
    """A room that is called as a function: importing any part of `cardinet.evaluate` puts the package in that name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        module, name = _CALLED[self.__name__]
        return getattr(import_module(module), name)(*arguments, **options)


for _name in _CALLED:
    import_module(_name).__class__ = _Room


@overload
def create(
    network: str | Any, *, features_only: Literal[False] = ..., init: str = ..., device: str = ..., **delta: Any
) -> Classifier: ...


@overload
def create(
    network: str | Any, *, features_only: Literal[True], out_indices: Sequence[int] | None = ..., **delta: Any
) -> FeatureNetwork: ...


def create(
    network: str | Any,
    *,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    init: str = "torchvision",
    device: str = "cpu",
    **delta: Any,
) -> Classifier | FeatureNetwork:
    """A network by its id (or from a description), with a delta such as `num_classes=5` or `cardinality=8`.

    It is drawn from torch's generator: `torch.manual_seed(0)` before gives torchvision's network bit for bit,
    where torchvision has it (see `initialise` for GoogLeNet and Inception-v3, and for `init="paper"`).
    With `features_only` it maps a picture to a list of feature maps, all or those of `out_indices`.
    Raises RequestError for an unknown name or setting, or feature maps that the network does not have.
    """
    from cardinet.build.builder import build
    from cardinet.runs.environment import check_device

    if out_indices is not None and not features_only:
        raise RequestError("out_indices chooses feature maps; give features_only=True with it.")
    spec = _spec(network)
    built = build(spec.but(**delta) if delta else spec, init=init, device=check_device(device))
    if not features_only:
        return built
    from cardinet.blocks.features import FeatureNetwork

    return FeatureNetwork(built, out_indices)


def load(path: str | Path, device: str = "cpu", *, compare: bool = True) -> Model:
    """The classifier in a model file, run folder or hub:REPO; `load(path).predict("cat.jpg")` names what it sees.

    A picture for `predict` is a path, bytes, a Pillow picture, an array or a tensor; several are a list, a folder or a
    pattern. With `compare` the weights are compared with the checksums in the file (0.7 s a GB). Raises RequestError
    for a file that is no model file, WorkError for a damaged one.
    """
    from cardinet.runs.environment import check_device
    from cardinet.runs.model_file import load_model
    from cardinet.weights.weight_source import local_file

    file, place = local_file(path), check_device(device)
    return load_model(file / "model.safetensors" if file.is_dir() else file, place, compare=compare)


def compile(model: Any, pixels: Any = None, **options: Any) -> Any:
    """A loaded model, or a network, that this machine runs as fast as it can: `compile(load(file)).predict(folder)`.

    The fastest of the installed runtimes (eager mode, Cardinet's own kernels, ONNX Runtime, OpenVINO) that gives the
    network's answers is chosen by measurement, and kept for this machine. `pixels` are normalised pictures for the
    comparison; a network without them needs `input_size`. `precisions=("float32", "bfloat16")` allows bfloat16.
    `cardinet.fast.job.compile_network` says more. Raises RequestError with everything that is wrong.
    """
    from cardinet.fast.job import compile_network

    return compile_network(model, pixels, **options)


def save(model: Model, path: str | Path) -> None:
    """Write a classifier as a model file, whole or not at all; one that is there is replaced.

    Raises RequestError for a name that does not end in .safetensors, WorkError where it cannot be written.
    """
    from cardinet.base.output_paths import path_of
    from cardinet.runs.model_file import save_model

    save_model(path_of(path), model)


def load_weights(network: Classifier, source: str | Path, *, given: Collection[str] = ()) -> Match:
    """Load weights by name, or by order and shape, and return what became of every tensor (`.sentences()`).

    `source` is a file (safetensors, a PyTorch checkpoint, .t7), `torchvision:NAME`, `timm:NAME` or
    `hub:REPO[@REVISION][/FILE]`. A classifier for another number of classes stays as it is. `given` names settings
    that tensors cannot show and that are known to be right here: ["pad"]. Raises RequestError with what does not
    fit, and the network is then unchanged; WorkError for a damaged file or a failed download.
    """
    from cardinet.weights.match import load
    from cardinet.weights.weight_source import read_weights

    return load(network, read_weights(source), given)


def save_weights(network: Classifier, path: str | Path, names: str = "cardinet") -> None:
    """Write the parameters as .safetensors or .pth, by our names or "torchvision"'s, "timm"'s or "pytorchcv"'s.

    That library's network loads them with `load_state_dict(strict=True)`. Raises RequestError for names that the
    library does not have for this network, WorkError where the file cannot be written.
    """
    from cardinet.weights.save import save_weights

    save_weights(network, path, names)


def source(data: Given, classes: Collection[str] | None = None) -> str:
    """A `torch.utils.data.Dataset` of (picture, label) as the text of a source, wherever this program takes `data`.

    Such places take the data set itself too; `classes` names the labels of one without the attribute `classes`.
    Pictures are Pillow pictures, arrays (H, W, C) or tensors (C, H, W) of uint8 (or floating-point from 0 to 1), labels
    whole numbers; for several labels of a picture a list of them, or an array or tensor of 0 and 1 for each class. A
    mapping of data sets by split ("train", "test") keeps its splits. Its fingerprint covers the number
    of items, all labels, the classes and the pixels of 256 pictures of each split. Raises RequestError or WorkError.
    """
    from cardinet.data.kinds.datasets import source_text

    return source_text(data, classes)


def count(network: str | Any, input_size: int | None = None, **delta: Any) -> Counts:
    """The exact counts of a network by its id (at its paper's input size), or of a description."""
    from cardinet.base.whole_numbers import SIDE, require_whole
    from cardinet.measure.counts import count_spec
    from cardinet.networks.registry import find

    spec = _spec(network)
    if input_size is not None:
        require_whole(1, SIDE, input_size=input_size)
    size = input_size or (find(network).input_size if isinstance(network, str) else 224)
    return count_spec(spec.but(**delta) if delta else spec, size)


def _spec(network: str | Any) -> Any:
    from cardinet.networks.registry import find
    from cardinet.networks.spec import NetworkSpec

    if isinstance(network, str):
        return find(network).spec
    if not isinstance(network, NetworkSpec):
        shown = repr(network) if isinstance(network, int | float | None) else type(network).__name__
        raise RequestError(
            f"{shown} is not a network's name or description: give a name such as resnet50, or the .spec of a network."
        )
    return network
