"""INT8 by NNCF's post-training quantization, for an ONNX model (as QDQ pairs) or an OpenVINO model.

Weights have one scale per channel, also in grouped convolutions; activations have one scale per tensor. Both inputs of
a residual sum are quantized, so the sum is computed in integers too.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cardinet.runtimes.libraries import isolated, library

if TYPE_CHECKING:
    from cardinet.runtimes.formats.format import Array, Int8


def quantize(model: Any, calibration: Sequence[Array], how: Int8) -> Any:
    """A copy of the model in int8. The calibration inputs, (1, C, H, W) each, give its ranges."""
    with _quiet() as nncf, how.at_work():
        return nncf.quantize(model, _calibration(nncf, model, calibration, how), **_settings(nncf, calibration))


def quantize_with_control(
    model: Any, calibration: Sequence[Array], tuning: Sequence[tuple[Array, int]], how: Int8, most: float
) -> Any:
    """As `quantize`, but layers return to float, the most harmful first, until the error grows by at most `most`.

    The error is that on the tuning inputs, which have labels. This can take hundreds of passes over them.
    """

    def accuracy(prepared: Any, chosen: Iterable[Any]) -> tuple[float, list[float]]:
        says = how.predictor(model, prepared)
        right = [float(says(x).argmax() == truth) for x, truth in chosen]
        return sum(right) / len(right), right

    with _quiet() as nncf, how.at_work():
        return nncf.quantize_with_accuracy_control(
            model,
            _calibration(nncf, model, calibration, how),
            nncf.Dataset(tuning, lambda item: how.fed(model, item[0])),
            accuracy,
            max_drop=most,
            **_settings(nncf, calibration),
        )


def _settings(nncf: Any, calibration: Sequence[Array]) -> dict[str, Any]:
    return {"subset_size": len(calibration), "target_device": nncf.TargetDevice.CPU}


def _calibration(nncf: Any, model: Any, calibration: Sequence[Array], how: Int8) -> Any:
    return nncf.Dataset([how.fed(model, pixels) for pixels in calibration])


@contextlib.contextmanager
def _quiet() -> Iterator[Any]:
    """A context that gives NNCF and keeps its log and bars away from stdout, which is for the document."""
    with contextlib.redirect_stdout(io.StringIO()), isolated():  # it imports more during its work
        nncf = library("nncf")
        nncf.set_log_level(logging.ERROR)
        yield nncf
