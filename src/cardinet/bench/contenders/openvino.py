"""OpenVINO on the CPU."""

from __future__ import annotations

from cardinet.bench.runtime_contender import RuntimeContender


class OpenVino(RuntimeContender):
    """Its plugin for CPUs, with the hint for latency and all threads on one batch."""

    name, about = "openvino", "OpenVINO, hint for latency"
    runtime = "openvino"
    libraries, extra = ("onnx", "onnxscript", "openvino"), "export"
    precisions = ("float32", "bfloat16", "int8")
    devices = ("cpu",)
