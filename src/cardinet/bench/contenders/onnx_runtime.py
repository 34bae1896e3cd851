"""ONNX Runtime on the CPU."""

from __future__ import annotations

from cardinet.bench.runtime_contender import RuntimeContender


class OnnxRuntime(RuntimeContender):
    """All optimisations of the graph (its default); its threads spin within a pass and sleep between passes."""

    name, about = "onnxruntime", "ONNX Runtime, all optimisations of the graph"
    runtime = "onnxruntime"
    libraries, extra = ("onnx", "onnxscript", "onnxruntime"), "export"
    precisions = ("float32", "int8")
    devices = ("cpu",)
