"""The network in ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardinet.runtimes.runtime import Precision, Runtime

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cardinet.runtimes.runtime import Prepared


class OnnxRuntime(Runtime):
    """Translated to ONNX, with all optimisations of the graph (the default) and threads that spin during a run."""

    name, about = "onnxruntime", "ONNX Runtime, all optimisations of the graph"
    precisions = ("float32",)
    libraries = ("onnx", "onnxscript", "onnxruntime")

    def prepare(
        self, network: nn.Module, shape: tuple[int, ...], precision: Precision, threads: int, device: str = "cpu"
    ) -> Prepared:
        import torch

        from cardinet.runtimes.formats.onnx import session_of, translate
        from cardinet.runtimes.graph import float_copy, program_of

        program = program_of(float_copy(network), torch.zeros(2, *shape[1:]))
        session = session_of(translate(program).SerializeToString(), threads, spins=True)

        def run(pixels: Tensor) -> Tensor:
            return torch.from_numpy(session.run(["logits"], {"pixels": pixels.numpy()})[0])

        return run
