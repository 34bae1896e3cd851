"""INT8 by NNCF's post-training quantization, of an ONNX model (as QDQ pairs) or of OpenVINO's.

Weights get one scale a channel, activations one a tensor; both inputs of a residual sum are quantized, so that it is
computed in integers too, and grouped convolutions have a scale for each of their channels as others have.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from cardinet.export.extras import isolated, library
from cardinet.export.formats.format import Int8
from cardinet.export.parity import POINTS
from cardinet.export.pictures import Pictures, feed


def quantized(model: Any, calibration: Pictures, dtype: str, how: Int8) -> Any:
    """A copy of the model in int8, its ranges from the calibration pictures."""
    with _quiet() as nncf, how.at_work():
        items = _calibration(nncf, model, calibration, dtype, how)
        return nncf.quantize(model, items, **_settings(nncf, calibration))


def quantized_with_control(model: Any, calibration: Pictures, tuning: Pictures, dtype: str, how: Int8) -> Any:
    """The same, but layers go back to float, those that cost most first, until the error of the tuning pictures holds.

    That can take as long as hundreds of passes over them.
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
    """NNCF, which else writes its log and bars to stdout, where the document goes."""
    with contextlib.redirect_stdout(io.StringIO()), isolated():  # it imports more when it works
        nncf = library("nncf")
        nncf.set_log_level(logging.ERROR)
        yield nncf
