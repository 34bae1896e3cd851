"""The network in OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardinet.runtimes.runtime import Precision, Use
from cardinet.runtimes.translated import TranslatedRuntime

if TYPE_CHECKING:
    from torch import Tensor

    from cardinet.runtimes.runtime import Prepared

HINTS: dict[str, str] = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
"""OpenVINO's word for the precision of what is not quantized."""


class OpenVinoRuntime(TranslatedRuntime):
    """Translated by ONNX, of a fixed shape, for calls one after another."""

    name, about = "openvino", "OpenVINO, the latency hint, a fixed shape"
    precisions = ("float32", "bfloat16", "int8")
    libraries = ("onnx", "onnxscript", "openvino")
    format = "openvino"

    def missing_hardware(self, precision: Precision) -> str:
        from cardinet.runtimes.formats.openvino import has_bf16

        return "" if precision != "bfloat16" or has_bf16() else "this CPU has no bfloat16 for it"

    def load(self, made: Any, use: Use) -> Prepared:
        import torch

        from cardinet.runtimes.formats.openvino import compiled, core

        model = core().read_model(str(made)) if isinstance(made, Path) else made
        model.reshape(list(use.shape))
        request = compiled(model, use.threads, HINTS[use.precision])

        def run(pixels: Tensor) -> Tensor:
            return torch.from_numpy(request(pixels.numpy())[0].copy())  # the next call may write to the same memory

        return run
