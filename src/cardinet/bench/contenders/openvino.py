"""OpenVINO on the CPU."""

from __future__ import annotations

from pathlib import Path

from cardinet.bench.contender import Contender, Pass
from cardinet.bench.translation import translated
from cardinet.bench.work import Subject, Unable, Work


class OpenVino(Contender):
    """Its plugin for CPUs, with the hint for latency and all threads on one batch."""

    name, about = "openvino", "OpenVINO, hint for latency"
    libraries, extra = ("onnx", "onnxscript", "openvino"), "export"
    precisions = ("float32", "bfloat16", "int8")
    measures = ("inference", "start")
    devices = ("cpu",)

    def write_files(self, subject: Subject, work: Work) -> None:
        translated(subject, "openvino", work.precision)

    def inference(self, subject: Subject, work: Work) -> Pass:
        from cardinet.runtimes.formats.openvino import OpenVinoRunner, has_bf16

        if work.precision == "bfloat16" and not has_bf16():
            raise Unable("OpenVINO has no bfloat16 on this CPU")
        file: Path = translated(subject, "openvino", work.precision)
        hint = "bf16" if work.precision == "bfloat16" else "f32"
        runner, pixels = OpenVinoRunner(file, work.threads, hint), subject.pixels(work.batch)
        return lambda: runner.logits(pixels)
