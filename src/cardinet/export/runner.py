"""Exported files, run in their own runtimes: pixels in, logits out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.data.preprocessing import Preprocessing
from cardinet.export.about import About, read_about
from cardinet.export.extras import check_installed, library
from cardinet.export.openvino_file import core, read_metadata
from cardinet.export.request import SUFFIXES

Array = npt.NDArray[Any]


class Runner(Protocol):
    """Maps pixels (N, C, crop, crop), in the input's type, to logits float32 (N, K)."""

    def logits(self, pixels: Array) -> Array: ...


class FileRunner(Runner, Protocol):
    """A runner over an exported file, with what the file says about itself."""

    about: About


class TorchRunner:
    """The network itself; uint8 pixels are normalised first, as `predict` does it."""

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        self.network, self.preprocessing = network.eval(), preprocessing

    @torch.inference_mode()
    def logits(self, pixels: Array) -> Array:
        x = torch.from_numpy(pixels)
        x = self.preprocessing.normalise(x) if x.dtype == torch.uint8 else x.to(memory_format=torch.channels_last)
        found: Array = self.network(x).numpy()
        return found

    @torch.inference_mode()
    def rounding(self, pixels: Array) -> float:
        """How far the network's logits lie from the same in float64, as a share of the largest."""
        x = torch.from_numpy(pixels)
        x = self.preprocessing.normalise(x) if x.dtype == torch.uint8 else x
        exact = copy.deepcopy(self.network).double()(x.double())
        return float((self.network(x).double() - exact).abs().max() / exact.abs().max())


class OnnxRunner:
    """ONNX Runtime on the CPU."""

    def __init__(self, path: Path, threads: int) -> None:
        runtime = library("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # errors only; what it could not fuse is no concern of the user's
        # Threads that wait must sleep, or they take the core from the runtime that is measured next.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.about = read_about(self.session.get_modelmeta().custom_metadata_map, path)

    def logits(self, pixels: Array) -> Array:
        found: Array = self.session.run(["logits"], {"pixels": pixels})[0]
        return found


class ProgramRunner:
    """torch.export: the loaded program as a module. The threads are torch's own."""

    def __init__(self, path: Path) -> None:
        from cardinet.export.program_file import load_program

        program, metadata = load_program(path)
        self.module = program.module()
        self.about = read_about(metadata, path)

    @torch.inference_mode()
    def logits(self, pixels: Array) -> Array:
        found: Array = self.module(torch.from_numpy(pixels)).numpy()
        return found


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
        self.about = read_about(read_metadata(model), path)

    def logits(self, pixels: Array) -> Array:
        return np.array(self.compiled(pixels)[0])  # a copy: the next call may write to the same memory


def has_bf16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this CPU, which it then does by default."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def open_exported(path: Path, *, threads: int = 1, precision: str = "f32") -> FileRunner:
    """The runner of an exported file by its suffix; `precision` ("f32", "bf16") is OpenVINO's.

    Raises RequestError for another suffix, a missing file or library, WorkError for a file of another program, or one
    that its runtime cannot read.
    """
    formats = {suffix: name for name, suffix in SUFFIXES.items()}
    if path.suffix not in formats:
        raise RequestError(f"{path} is no exported file; they end in {', '.join(formats)}.")
    if not path.is_file():
        raise RequestError(f"{path} is a folder; name a file." if path.is_dir() else f"There is no file {path}.")
    format, weights = formats[path.suffix], path.with_suffix(".bin")
    if format == "openvino" and not weights.is_file():
        raise RequestError(f"{path} has its weights in {weights.name}, which is not beside it; put it there.")
    check_installed(format, int8=False)
    try:
        if format == "onnx":
            return OnnxRunner(path, threads)
        return ProgramRunner(path) if format == "torch-export" else OpenVinoRunner(path, threads, precision)
    except (CardinetError, MemoryError):
        raise
    except Exception as error:  # each runtime has its own
        raise WorkError(
            f"{path} cannot be opened by its runtime ({reason(error)}); it is damaged, or no file of this format."
        ) from error


def reason(error: Exception) -> str:
    """The first line of a runtime's error that does not only say where in its source it was raised."""
    lines = [line.strip() for line in str(error).splitlines() if not line.startswith("Exception from ")]
    return next(filter(None, lines), type(error).__name__).rstrip(".")
