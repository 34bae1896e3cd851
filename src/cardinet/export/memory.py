"""Whether there is memory for an export, before any is taken."""

from __future__ import annotations

from cardinet.export.parity import BATCH
from cardinet.export.request import Request
from cardinet.measure.memory import FLOAT, network_bytes
from cardinet.rewrite.flow import on_meta
from cardinet.runs.model_file import Model
from cardinet.runs.room import require_passes

COPIES = {"onnx": 7, "openvino": 9, "torch-export": 5}
"""So many times the parameters are held at once: by the network, the program, its translation, the bytes of the file,
and the runtime that reads it. Fitted to the peaks of wide_resnet101_2, resnet152 and resnet18."""

INT8 = {"onnx": 14, "openvino": 9}
"""The same where the file is quantized."""


def require_export(model: Model, request: Request, held: int) -> None:
    """Raise RequestError where an export that can be made, and its proof, need more memory than there is.

    `held` pictures calibrate and tune an int8 file: as uint8, and as float32.
    """
    network, p = on_meta(model.network), model.preprocessing
    pixels = held * p.channels * p.crop**2 * (1 + FLOAT)
    copies = (COPIES | INT8 if request.int8 else COPIES)[request.format]
    work = f"The export, with batches of {BATCH} pictures of {p.crop} x {p.crop} pixels,"
    require_passes((network,), p.crop, BATCH, copies * network_bytes(network) + pixels, work)
