"""OpenVINO's intermediate representation: an .xml with the graph and the metadata, a .bin with the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardinet.runtimes.formats.format import Format, Int8
from cardinet.runtimes.formats.onnx import translate
from cardinet.runtimes.libraries import library

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from cardinet.runtimes.formats.format import Array

GROUP = "cardinet"
"""The place of the metadata in the rt_info of the representation."""


@cache
def core() -> Any:
    """The only core of this process; it lives until the end of the process.

    Each core sets a larger stack for signal handlers (for AMX), and restores the old one at its end. With two cores
    that may be the freed stack of the other one. Then the next signal, such as Ctrl-C, is a segmentation fault.
    """
    return library("openvino").Core()


def from_onnx(model: Any) -> Any:
    """An ONNX model as OpenVINO's."""
    return core().read_model(model.SerializeToString())


def write_openvino(model: Any, about: Mapping[str, str], path: Path) -> None:
    """Write the .xml and the .bin beside it; the weights keep their precision (the library's default is half).

    Raises OSError if they cannot be written, for example because the disk is full.
    """
    for key, value in about.items():
        model.set_rt_info(value, [GROUP, key])
    try:
        library("openvino").save_model(model, str(path), compress_to_fp16=False)
    except RuntimeError as error:
        if "iostream" not in str(error):
            raise
        raise OSError("the disk is full, or does not allow a file of this size") from error


def read_metadata(model: Any) -> dict[str, str]:
    """The metadata of a representation; empty if Cardinet did not write it."""
    entries = model.get_rt_info([GROUP]).value if model.has_rt_info([GROUP]) else {}
    return {str(key): str(value) for key, value in entries.items()}


def compiled(model: Any, threads: int, precision: str = "f32") -> Any:
    """A model of OpenVINO that is compiled for the CPU and for calls one after another."""
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    return core().compile_model(model, "CPU", settings)


class OpenVinoRunner:
    """OpenVINO on the CPU, in float32 ("f32") or in its default precision where the CPU has it ("bf16").

    The precision is that of the layers that are not quantized.
    """

    def __init__(self, path: Path, threads: int, precision: str = "f32") -> None:
        model = core().read_model(str(path))
        self.compiled = compiled(model, threads, precision)
        self.metadata: Mapping[str, str] = read_metadata(model)

    def logits(self, pixels: Array) -> Array:
        import numpy as np

        return np.array(self.compiled(pixels)[0])  # a copy: the next call may write to the same memory


def has_bf16() -> bool:
    """Whether OpenVINO can use bfloat16 on this CPU; it then does so by default."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoInt8(Int8):
    """In OpenVINO's own graph."""

    copies = 9

    def fed(self, model: Any, pixels: Any) -> Any:
        return pixels

    def predictor(self, model: Any, prepared: Any) -> Callable[[Any], Any]:
        return lambda pixels: prepared(pixels)[0]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """NNCF makes a core for each model that it runs; here it gets the only one of this process (see `core`)."""
        openvino = library("openvino")
        before = openvino.Core, openvino.compile_model
        openvino.Core, openvino.compile_model = core, core().compile_model
        try:
            yield
        finally:
            openvino.Core, openvino.compile_model = before


class OpenVino(Format):
    """OpenVINO. It reads the ONNX translation, so both formats share one translation."""

    name, suffix = "openvino", ".xml"
    libraries = ("onnx", "onnxscript", "openvino")
    copies = 9
    int8 = OpenVinoInt8()

    def translate(self, program: ExportedProgram, opset: int | None) -> Any:
        return from_onnx(translate(program, opset))

    def write(self, made: Any, about: Mapping[str, str], path: Path) -> None:
        write_openvino(made, about, path)

    def load(self, path: Path, threads: int, precision: str) -> OpenVinoRunner:
        return OpenVinoRunner(path, threads, precision)

    def precisions(self) -> Mapping[str, str]:
        return {"bfloat16": "bf16"} if has_bf16() else {}

    def files(self, out: Path) -> tuple[Path, ...]:
        return out.with_suffix(".bin"), out
