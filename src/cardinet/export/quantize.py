"""INT8 by NNCF's post-training quantization, for an ONNX model (as QDQ pairs) or an OpenVINO model.

Weights have one scale per channel, also in grouped convolutions; activations have one scale per tensor. Both inputs of
a residual sum are quantized, so the sum is computed in integers too.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from cardinet.export.parity import POINTS
from cardinet.export.proof_pictures import Pictures, feed
from cardinet.runtimes.formats.format import Int8
from cardinet.runtimes.libraries import isolated, library


def quantize(model: Any, calibration: Pictures, dtype: str, how: Int8) -> Any:
    """A copy of the model in int8. The calibration pictures give its ranges."""
    with _quiet() as nncf, how.at_work():
        items = _calibration(nncf, model, calibration, dtype, how)
        return nncf.quantize(model, items, **_settings(nncf, calibration))


def quantize_with_control(model: Any, calibration: Pictures, tuning: Pictures, dtype: str, how: Int8) -> Any:
    """As `quantize`, but layers return to float, the most harmful first, until the error on the tuning pictures is low.

    This can take hundreds of passes over these pictures.
    """
    labels = tuning.labels
    assert labels is not None
    items = [(feed(x, tuning.preprocessing, dtype), int(t)) for x, t in zip(tuning.batches(1), labels, strict=True)]

    def accuracy(prepared: Any, chosen: Iterable[Any]) -> tuple[float, list[float]]:
        says = how.predictor(model, prepared)
        right = [float(says(x).argmax() == truth) for x, truth in chosen]
        return float(np.mean(right)), right

    with _quiet() as nncf, how.at_work():
        return nncf.quantize_with_accuracy_control(
            model,
            _calibration(nncf, model, calibration, dtype, how),
            nncf.Dataset(items, lambda item: how.fed(model, item[0])),
            accuracy,
            max_drop=POINTS,
            **_settings(nncf, calibration),
        )


def _settings(nncf: Any, calibration: Pictures) -> dict[str, Any]:
    return {"subset_size": calibration.count, "target_device": nncf.TargetDevice.CPU}


def _calibration(nncf: Any, model: Any, calibration: Pictures, dtype: str, how: Int8) -> Any:
    items = [how.fed(model, feed(x, calibration.preprocessing, dtype)) for x in calibration.batches(1)]
    return nncf.Dataset(items)


@contextlib.contextmanager
def _quiet() -> Iterator[Any]:
    """A context that gives NNCF and keeps its log and bars away from stdout, which is for the document."""
    with contextlib.redirect_stdout(io.StringIO()), isolated():  # it imports more during its work
        nncf = library("nncf")
        nncf.set_log_level(logging.ERROR)
        yield nncf
