"""Exported files, run in their own runtimes: pixels in, logits out."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt
import torch
from torch import nn

from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.data.preprocessing import Preprocessing
from cardinet.export.metadata import Metadata, read_metadata
from cardinet.runtimes.formats import format_of, suffixes
from cardinet.runtimes.formats.format import Loaded
from cardinet.runtimes.libraries import check_installed

Array = npt.NDArray[Any]


class Runner(Protocol):
    """Maps pixels (N, C, crop, crop), in the type of the input, to logits float32 (N, K)."""

    def logits(self, pixels: Array) -> Array: ...


class TorchRunner:
    """The network itself; uint8 pixels are normalised first, as `predict` does."""

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
        """The largest difference of the network's logits from those in float64, as a share of the largest logit."""
        x = torch.from_numpy(pixels)
        x = self.preprocessing.normalise(x) if x.dtype == torch.uint8 else x
        exact = copy.deepcopy(self.network).double()(x.double())
        return float((self.network(x).double() - exact).abs().max() / exact.abs().max())


@dataclass(frozen=True, eq=False)
class FileRunner:
    """A runner of an exported file, with the metadata of the file."""

    loaded: Loaded
    about: Metadata

    def logits(self, pixels: Array) -> Array:
        return self.loaded.logits(pixels)


def open_exported(path: Path, *, threads: int = 1, precision: str = "f32") -> FileRunner:
    """The runner of an exported file by its suffix; `precision` ("f32", "bf16") is OpenVINO's.

    Raises RequestError for another suffix and for a missing file or library. Raises WorkError for a file that Cardinet
    did not write, and for one that its runtime cannot read.
    """
    format = format_of(path)
    if format is None:
        raise RequestError(f"{path} is not an exported file; their suffixes are {suffixes()}.")
    if not path.is_file():
        raise RequestError(f"{path} is a folder; give a file." if path.is_dir() else f"There is no file {path}.")
    format.check_whole(path)
    check_installed(format, int8=False)
    try:
        loaded = format.load(path, threads, precision)
        return FileRunner(loaded, read_metadata(loaded.metadata, path))
    except (CardinetError, MemoryError):
        raise
    except Exception as error:  # each runtime has its own errors
        raise WorkError(
            f"{path} cannot be opened by its runtime ({reason(error)}); it is damaged, or not of this format."
        ) from error


def reason(error: Exception) -> str:
    """The first line of a runtime's error that is not only a place in its source."""
    lines = [line.strip() for line in str(error).splitlines() if not line.startswith("Exception from ")]
    return next(filter(None, lines), type(error).__name__).rstrip(".")
