"""INT8 by NNCF's post-training quantization, of an ONNX model (as QDQ pairs) or of OpenVINO's.

Weights get one scale a channel, activations one a tensor; both inputs of a residual sum are quantized, so that it is
computed in integers too, and grouped convolutions have a scale for each of their channels as others have.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from cardinet.export.extras import isolated, library
from cardinet.export.openvino_file import core
from cardinet.export.parity import POINTS
from cardinet.export.pictures import Pictures, feed


def quantized(model: Any, calibration: Pictures, dtype: str) -> Any:
    """A copy of the model in int8, its ranges from the calibration pictures."""
    with _quiet() as nncf, _one_core(model):
        return nncf.quantize(model, _calibration(nncf, model, calibration, dtype), **_settings(nncf, calibration))


def quantized_with_control(model: Any, calibration: Pictures, tuning: Pictures, dtype: str) -> Any:
    """The same, but layers go back to float, those that cost most first, until the error of the tuning pictures holds.

    That can take as long as hundreds of passes over them.
    """
    labels = tuning.labels
    assert labels is not None
    name = _input(model)
    items = [(feed(x, tuning.preprocessing, dtype), int(t)) for x, t in zip(tuning.batches(1), labels, strict=True)]

    def accuracy(prepared: Any, chosen: Iterable[Any]) -> tuple[float, list[float]]:
        says = _predictor(prepared, name)
        right = [float(says(x).argmax() == truth) for x, truth in chosen]
        return float(np.mean(right)), right

    with _quiet() as nncf, _one_core(model):
        return nncf.quantize_with_accuracy_control(
            model,
            _calibration(nncf, model, calibration, dtype),
            nncf.Dataset(items, lambda item: _fed(name, item[0])),
            accuracy,
            max_drop=POINTS,
            **_settings(nncf, calibration),
        )


def _settings(nncf: Any, calibration: Pictures) -> dict[str, Any]:
    return {"subset_size": calibration.count, "target_device": nncf.TargetDevice.CPU}


def _calibration(nncf: Any, model: Any, calibration: Pictures, dtype: str) -> Any:
    name = _input(model)
    items = [_fed(name, feed(x, calibration.preprocessing, dtype)) for x in calibration.batches(1)]
    return nncf.Dataset(items)


def _input(model: Any) -> str | None:
    """The name of an ONNX model's input; None for OpenVINO's, which takes arrays as they are."""
    return str(model.graph.input[0].name) if hasattr(model, "graph") else None


def _fed(name: str | None, pixels: Any) -> Any:
    return pixels if name is None else {name: pixels}


def _predictor(prepared: Any, name: str | None) -> Callable[[Any], Any]:
    """Logits of what NNCF hands over to be validated: a compiled model of OpenVINO's, or an ONNX model as it is."""
    if name is None:
        return lambda pixels: prepared(pixels)[0]
    session = library("onnxruntime").InferenceSession(prepared.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(None, {name: pixels})[0]


@contextlib.contextmanager
def _one_core(model: Any) -> Iterator[None]:
    """Within it NNCF, which makes a core for each model that it runs, gets this process's own (`core` says why)."""
    if hasattr(model, "graph"):
        yield
        return
    openvino = library("openvino")
    before = openvino.Core, openvino.compile_model
    openvino.Core, openvino.compile_model = core, core().compile_model
    try:
        yield
    finally:
        openvino.Core, openvino.compile_model = before


@contextlib.contextmanager
def _quiet() -> Iterator[Any]:
    """NNCF, which else writes its log and bars to stdout, where the document goes."""
    with contextlib.redirect_stdout(io.StringIO()), isolated():  # it imports more when it works
        nncf = library("nncf")
        nncf.set_log_level(logging.ERROR)
        yield nncf
