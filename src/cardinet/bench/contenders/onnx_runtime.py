"""ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path

from cardinet.bench.contender import Contender, Pass
from cardinet.bench.translation import translated
from cardinet.bench.work import Subject, Work


class OnnxRuntime(Contender):
    """All optimisations of the graph (its default); its threads spin within a pass and sleep between passes."""

    name, about = "onnxruntime", "ONNX Runtime, all optimisations of the graph"
    libraries, extra = ("onnx", "onnxscript", "onnxruntime"), "export"
    precisions = ("float32", "int8")
    measures = ("inference", "start")
    devices = ("cpu",)

    def write_files(self, subject: Subject, work: Work) -> None:
        translated(subject, "onnx", work.precision)

    def inference(self, subject: Subject, work: Work) -> Pass:
        from cardinet.runtimes.formats.onnx import OnnxRunner

        file: Path = translated(subject, "onnx", work.precision)
        runner, pixels = OnnxRunner(file, work.threads, spins=True), subject.pixels(work.batch)
        return lambda: runner.logits(pixels)
