"""OpenVINO's intermediate representation: an .xml with the graph and the metadata, a .bin with the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardinet.export.extras import library
from cardinet.export.formats.format import Format, Int8
from cardinet.export.formats.onnx import translate

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from cardinet.export.formats.format import Array

GROUP = "cardinet"
"""Where the metadata stands in the representation's rt_info."""


@cache
def core() -> Any:
    """The one core of this process, which lives as long as it.

    Each core changes the stack that signal handlers run on (for AMX, which needs a larger one) and sets back at its end
    the one that it found. Of two whose lives overlap that may be the freed one of the other, and the next signal, a
    Ctrl-C in a training say, is a segmentation fault.
    """
    return library("openvino").Core()


def from_onnx(model: Any) -> Any:
    """An ONNX model as OpenVINO's."""
    return core().read_model(model.SerializeToString())


def write_openvino(model: Any, about: Mapping[str, str], path: Path) -> None:
    """Write the .xml and the .bin beside it; the weights keep their precision (the library's default is half).

    Raises OSError where they cannot be written, as a disk is full.
    """
    for key, value in about.items():
        model.set_rt_info(value, [GROUP, key])
    try:
        library("openvino").save_model(model, str(path), compress_to_fp16=False)
    except RuntimeError as error:
        if "iostream" not in str(error):
            raise
        raise OSError("the disk is full, or takes no file of this size") from error


def read_metadata(model: Any) -> dict[str, str]:
    """The metadata of a representation; none of one that Cardinet has not written."""
    from cardinet.export.about import KEYS

    return {key: str(model.get_rt_info([GROUP, key]).astype(str)) for key in KEYS if model.has_rt_info([GROUP, key])}


class OpenVinoRunner:
    """OpenVINO on the CPU, in float32 ("f32") or with what it computes in by itself where it can ("bf16").

    The precision is that of what is not quantized.
    """

    def __init__(self, path: Path, threads: int, precision: str = "f32") -> None:
        model = core().read_model(str(path))
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self.compiled = core().compile_model(model, "CPU", settings)
        self.metadata: Mapping[str, str] = read_metadata(model)

    def logits(self, pixels: Array) -> Array:
        import numpy as np

        return np.array(self.compiled(pixels)[0])  # a copy: the next call may write to the same memory


def has_bf16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this CPU, which it then does by default."""
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
        """NNCF, which makes a core for each model that it runs, gets this process's own (`core` says why)."""
        openvino = library("openvino")
        before = openvino.Core, openvino.compile_model
        openvino.Core, openvino.compile_model = core, core().compile_model
        try:
            yield
        finally:
            openvino.Core, openvino.compile_model = before


class OpenVino(Format):
    """OpenVINO, which reads the ONNX translation, so that one translation is proven for both."""

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
