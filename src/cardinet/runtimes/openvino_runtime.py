"""The network in OpenVINO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardinet.runtimes.runtime import Precision, Runtime

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cardinet.runtimes.runtime import Prepared

HINTS: dict[str, str] = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoRuntime(Runtime):
    """Translated by ONNX, of a fixed shape, for calls one after another."""

    name, about = "openvino", "OpenVINO, the latency hint, a fixed shape"
    libraries = ("onnx", "onnxscript", "openvino")

    def missing_hardware(self, precision: Precision) -> str:
        from cardinet.runtimes.formats.openvino import has_bf16

        return "" if precision == "float32" or has_bf16() else "this CPU has no bfloat16 for it"

    def prepare(
        self, network: nn.Module, shape: tuple[int, ...], precision: Precision, threads: int, device: str = "cpu"
    ) -> Prepared:
        import torch

        from cardinet.runtimes.formats.onnx import translate
        from cardinet.runtimes.formats.openvino import compiled, from_onnx
        from cardinet.runtimes.graph import float_copy, program_of

        program = program_of(float_copy(network), torch.zeros(2, *shape[1:]))
        model = from_onnx(translate(program))
        model.reshape(list(shape))
        request = compiled(model, threads, HINTS[precision])

        def run(pixels: Tensor) -> Tensor:
            return torch.from_numpy(request(pixels.numpy())[0].copy())  # the next call may write to the same memory

        return run
