"""The ONNX file: torch's graph translated to ONNX's operators, without paths of the machine, with metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.export import ExportedProgram

from cardinet.base.errors import WorkError
from cardinet.base.version import __version__
from cardinet.export.extras import library
from cardinet.export.graph import ignored
from cardinet.export.request import OPSETS

MOST_BYTES = 2**31 - 2**24
"""Protocol buffers hold less than 2 GiB; what is not parameters takes far less than the 16 MiB that are left."""


def translate(program: ExportedProgram, opset: int | None = None) -> Any:
    """The ONNX model (a ModelProto) of a graph: input "pixels", output "logits", the batch dynamic.

    Raises WorkError for parameters that one file cannot hold, and for an opset that was asked for and not reached.
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
    """Raise WorkError where the model has other operators than asked for, which older exporters do not say."""
    reached = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if asked is not None and reached != [asked]:
        got = reached[0] if reached else "none"
        raise WorkError(
            f"opset = {asked} was not reached: the exporter wrote opset {got}. Ask for that one, or install a newer "
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
    """Remove what the exporter notes of its sources: traces with this machine's paths, and names of classes."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
        part.doc_string = ""
