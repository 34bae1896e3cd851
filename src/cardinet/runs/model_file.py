"""The model file: one .safetensors file is a whole classifier, and nothing else is needed to predict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import torch
from torch import Tensor, nn

from cardinet.base.documents import to_json
from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.base.files import write_atomic
from cardinet.base.output_paths import check_model_name
from cardinet.base.version import __version__
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.data.labelling import LABELLINGS, ONE, Labelling
from cardinet.data.preprocessing import Preprocessing
from cardinet.measure.available_memory import require_bytes, require_mapping
from cardinet.measure.memory import network_bytes
from cardinet.networks.document import from_document, to_document
from cardinet.rewrite.steps import Step, apply, steps_from_document
from cardinet.rewrite.temperature import temperature_of
from cardinet.runs.prediction import BATCH_SIZE, OnBad, Prediction, Predictions, predict
from cardinet.weights import checksums
from cardinet.weights.metadata import KEY, SCHEMAS, Description, network_of, read_description
from cardinet.weights.read_file import into_a_network, read_header, read_tensors

if TYPE_CHECKING:
    from PIL import Image

    from cardinet.data.picture_inputs import Pictures


@dataclass(frozen=True)
class Model:
    """A classifier: a network in eval mode with the names of its classes and its preprocessing.

    `labelling` says how many labels a picture has; with several, `thresholds` has the probability of each class from
    which a picture has its label. `spec` is the description before the `rewrites`, which were applied in order.
    `checksums` says whether the tensors match the checksums of their file; files of earlier versions have none.
    """

    network: nn.Module
    spec: Any
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    rewrites: tuple[Step, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)
    version: str = __version__
    checksums: Literal["match", "not compared", "absent"] = "absent"
    labelling: Labelling = ONE
    thresholds: tuple[float, ...] = ()

    @property
    def temperature(self) -> float:
        """The temperature by which the logits are divided, in the weights of the classifier; 1 if there is none."""
        return temperature_of(self.rewrites)

    def at_threshold(self, threshold: float) -> Model:
        """The model with one threshold for every label. Raises RequestError if it gives one label for a picture."""
        if self.labelling is ONE:
            raise RequestError(
                f"threshold = {threshold:g}: the model gives one label for each picture, the most probable class; omit "
                "the threshold."
            )
        if not 0 <= threshold <= 1:
            raise RequestError(f"threshold = {threshold:g}: it is a probability; give a number from 0 to 1.")
        return replace(self, thresholds=(float(threshold),) * len(self.classes))

    @overload
    def predict(
        self, pictures: bytes | Image.Image, top: int = ..., *, batch_size: int = ..., on_bad_image: OnBad = ...
    ) -> Prediction: ...
    @overload
    def predict(
        self, pictures: list[Any] | tuple[Any, ...], top: int = ..., *, batch_size: int = ..., on_bad_image: OnBad = ...
    ) -> Predictions: ...
    @overload
    def predict(
        self, pictures: Pictures, top: int = ..., *, batch_size: int = ..., on_bad_image: OnBad = ...
    ) -> Any: ...
    def predict(
        self,
        pictures: Pictures,
        top: int = 5,
        *,
        batch_size: int = BATCH_SIZE,
        on_bad_image: OnBad = "fail",
    ) -> Prediction | Predictions:
        """The `top` most probable classes of one picture, or a list of predictions for several pictures, in batches.

        One picture is a path, the bytes of a file, a Pillow picture, an array (H, W) or (H, W, C), or a tensor (C, H,
        W), of uint8 or from 0 to 1 (`data.picture_inputs`). Several pictures are a list, a folder, a pattern such as
        "*.jpg", or an array or tensor with one more dimension. Raises RequestError for a missing file and for a value
        that cannot be a picture, WorkError with every picture that cannot be decoded. With `on_bad_image="skip"` the
        list omits these pictures and names them in `unusable`.
        """
        return predict(self, pictures, top, batch_size, on_bad_image)


def save_model(path: Path, model: Model) -> None:
    """Write a model file atomically: contiguous NCHW tensors, and the description as JSON metadata.

    Raises RequestError if `model` is not a model or the name does not end in .safetensors, WorkError if the file cannot
    be written.
    """
    if not isinstance(model, Model):
        raise RequestError(f"{type(model).__name__} is not a model; give what cardinet.load(FILE) gives.")
    check_model_name(path)
    write_model(path, model, model.network.state_dict())


def write_model(path: Path, model: Model, state: Mapping[str, Tensor]) -> None:
    """Write a model file with these tensors in place of those of the model's network. Raises as `save_model`."""
    tensors = {name: tensor.detach().to("cpu").contiguous() for name, tensor in state.items()}
    about = {
        "schema": SCHEMAS[model.labelling.NAME],
        "spec": to_document(model.spec),
        "rewrites": [step.to_document() for step in model.rewrites],
        "classes": list(model.classes),
        "preprocessing": model.preprocessing.model_dump(mode="json"),
        "training": model.training,
        "version": __version__,
    }
    if model.labelling is not ONE:
        about |= {"labels": model.labelling.NAME, "thresholds": list(model.thresholds)}
    write_atomic(path, checksums.with_checksums(tensors, {KEY: to_json(about)}))


def load_model(path: Path, device: str = "cpu", *, compare: bool = True) -> Model:
    """Build the spec, apply the rewrites and load the tensors. With `compare` the tensors are compared with checksums.

    Raises RequestError for a file that is not a model file or has a newer schema, and for weights that need more memory
    than the device has, before such memory is allocated. Raises WorkError for a damaged file.
    """
    header = read_header(path)
    model = _without_tensors(path, header)
    empty = model.network
    size, work = network_bytes(empty), f"The network of {path}"
    require_bytes(size, device, work)
    require_mapping(path.stat().st_size + size, work)
    tensors = read_tensors(path, compare)
    own = empty.state_dict()
    if own.keys() != tensors.keys() or any(own[n].shape != tensors[n].shape for n in own):
        raise WorkError(f"{path} is inconsistent: its tensors are not those of the network that it describes.")
    outputs = cast(Classifier, empty).spec.num_classes
    if len(model.classes) > outputs:
        raise WorkError(f"{path} is inconsistent: it names {len(model.classes):,} classes for {outputs:,} outputs.")
    network = empty.to_empty(device=device).to(memory_format=torch.channels_last)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            tensor.copy_(tensors[name])
    return replace(
        model,
        network=network.eval(),
        checksums=("match" if compare else "not compared") if checksums.KEY in header else "absent",
    )


def empty_network(path: Path) -> nn.Module:
    """The network of a model file on the meta device, without its tensors. Raises as `load_model`."""
    return empty_model(path).network


def empty_model(path: Path) -> Model:
    """The classifier of a model file with its network on the meta device, without tensors. Raises as `load_model`."""
    return _without_tensors(path, read_header(path))


def _without_tensors(path: Path, header: Mapping[str, str]) -> Model:
    about = _about(path, header)
    network, rewrites = structure(path, about.spec, about.rewrites)
    return Model(
        network=network,
        spec=from_document(about.spec),
        classes=about.classes,
        preprocessing=about.preprocessing,
        rewrites=rewrites,
        training=about.training,
        version=about.version,
        labelling=LABELLINGS[about.labels],
        thresholds=about.thresholds,
    )


def structure(path: Path, spec: Mapping[str, Any], rewrites: Iterable[Any] = ()) -> tuple[nn.Module, tuple[Step, ...]]:
    """The network that a file describes, on the meta device, and the rewrites that made it.

    Raises WorkError if no such network can be built.
    """
    described = network_of(path, spec)
    try:
        steps = steps_from_document(rewrites)
        return apply(build(described, device="meta"), steps), steps
    except CardinetError as error:
        raise WorkError(f"{path}: its network cannot be built: {' '.join(error.findings)}") from error
    except (AttributeError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise WorkError(f"{path} is damaged: what it describes is not a network.") from error


def _about(path: Path, header: Mapping[str, str]) -> Description:
    about = read_description(path, header)
    if about is None:
        raise RequestError(
            f"{path} has tensors but no description of a network, so it is not a model file. {into_a_network(path)}"
        )
    return about
