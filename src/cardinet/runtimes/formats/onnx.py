"""The ONNX format: torch's graph in ONNX's operators, with metadata and without paths of this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.version import __version__
from cardinet.base.whole_numbers import require_whole
from cardinet.runtimes.formats.format import Format, Int8
from cardinet.runtimes.libraries import ignored, library

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from cardinet.runtimes.formats.format import Array

OPSETS = range(18, 26)
"""torch's exporter writes 18 without a conversion. From 26 on the conversion is not complete."""

MOST_BYTES = 2**31 - 2**24
"""Protocol buffers hold less than 2 GiB. The 16 MiB below that suffice for everything but parameters."""


def translate(program: ExportedProgram, opset: int | None = None) -> Any:
    """The ONNX model (a ModelProto) of a graph: input "pixels", output "logits", the batch dynamic.

    Raises WorkError for parameters that one file cannot hold, and if the exporter did not write the requested opset.
    """
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size > MOST_BYTES:
        raise WorkError(
            f"The parameters take {size / 1e9:.1f} GB, and an ONNX file holds less than 2.1; use the "
            "format torch-export."
        )
    library("onnxscript")
    import torch

    with ignored(FutureWarning, "`isinstance"), ignored(DeprecationWarning, "`isinstance"):
        made = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=opset or OPSETS.start,
            input_names=["pixels"],
            output_names=["logits"],
            dynamic_shapes=({0: "batch"},),
            verbose=False,
        )
    assert made is not None
    model: Any = made.model_proto
    check_opset(model, opset)
    _without_notes(model)
    model.producer_name, model.producer_version = "cardinet", __version__
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return model


def check_opset(model: Any, asked: int | None) -> None:
    """Raise WorkError if the model does not have the requested opset; older exporters do not report that."""
    reached = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if asked is not None and reached != [asked]:
        got = reached[0] if reached else "none"
        raise WorkError(
            f"opset = {asked} could not be written: the exporter wrote opset {got}. Use that one, or install a newer "
            'onnxscript: pip install --upgrade "cardinet[export]".'
        )


def write_onnx(model: Any, about: Mapping[str, str], path: Path) -> None:
    """Write a checked model with its metadata."""
    onnx = library("onnx")
    del model.metadata_props[:]
    for key, value in about.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _without_notes(model: Any) -> None:
    """Remove the exporter's notes about its sources: stack traces with paths, and names of classes."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
        part.doc_string = ""


def session_of(model: str | bytes, threads: int, *, spins: bool = False) -> Any:
    """A session of ONNX Runtime on the CPU, for a file or the bytes of one.

    Threads that wait sleep, so that they do not slow down what another runtime does then. With `spins` they wait
    actively during a run, which is faster, and sleep after it.
    """
    runtime = library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors only
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class OnnxRunner:
    """ONNX Runtime on the CPU. Its threads may spin within a pass; they always sleep between passes."""

    def __init__(self, path: Path, threads: int, *, spins: bool = False) -> None:
        self.session = session_of(str(path), threads, spins=spins)
        self.metadata: Mapping[str, str] = self.session.get_modelmeta().custom_metadata_map

    def logits(self, pixels: Array) -> Array:
        found: Array = self.session.run(["logits"], {"pixels": pixels})[0]
        return found


class OnnxInt8(Int8):
    """As pairs of QuantizeLinear and DequantizeLinear."""

    copies = 14

    def fed(self, model: Any, pixels: Any) -> Any:
        return {_input(model): pixels}

    def predictor(self, model: Any, prepared: Any) -> Callable[[Any], Any]:
        runtime = library("onnxruntime")
        session = runtime.InferenceSession(prepared.SerializeToString(), providers=["CPUExecutionProvider"])
        return lambda pixels: session.run(None, {_input(model): pixels})[0]


def _input(model: Any) -> str:
    return str(model.graph.input[0].name)


class Onnx(Format):
    """ONNX, run by ONNX Runtime."""

    name, suffix = "onnx", ".onnx"
    libraries = ("onnx", "onnxscript", "onnxruntime")
    copies = 7
    int8 = OnnxInt8()

    def translate(self, program: ExportedProgram, opset: int | None) -> Any:
        return translate(program, opset)

    def write(self, made: Any, about: Mapping[str, str], path: Path) -> None:
        write_onnx(made, about, path)

    def load(self, path: Path, threads: int, precision: str) -> OnnxRunner:
        return OnnxRunner(path, threads)

    def check_opset(self, opset: int) -> None:
        require_whole(1, opset=opset)
        if opset < OPSETS.start:
            raise RequestError(
                f"opset = {opset} is too old: torch's exporter translates to opset {OPSETS.start}, and a "
                f"conversion to an older one would change operators; use {OPSETS.start} to {OPSETS.stop - 1}."
            )
        if opset not in OPSETS:
            raise RequestError(
                f"opset = {opset} is newer than what can be written; use {OPSETS.start} to {OPSETS.stop - 1}."
            )
