"""The network in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardinet.runtimes.runtime import Use
from cardinet.runtimes.translated import TranslatedRuntime

if TYPE_CHECKING:
    from torch import Tensor

    from cardinet.runtimes.runtime import Prepared


class OnnxRuntime(TranslatedRuntime):
    """Translated to ONNX, with all optimisations of the graph (the default) and threads that spin during a run."""

    name, about = "onnxruntime", "ONNX Runtime, all optimisations of the graph"
    precisions = ("float32", "int8")
    libraries = ("onnx", "onnxscript", "onnxruntime")
    format = "onnx"

    def load(self, made: Any, use: Use) -> Prepared:
        import torch

        from cardinet.runtimes.formats.onnx import session_of

        model = str(made) if isinstance(made, Path) else made.SerializeToString()
        session = session_of(model, use.threads, spins=True)

        def run(pixels: Tensor) -> Tensor:
            return torch.from_numpy(session.run(["logits"], {"pixels": pixels.numpy()})[0])

        return run
