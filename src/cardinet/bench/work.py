"""What is measured: the network in files, and one kind of work on it. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cardinet.runs.model_file import Model
    from cardinet.runtimes.runtime import Precision

    Array = npt.NDArray[np.float32]


class Unable(Exception):
    """A contender cannot do some work; the text is the reason, without a full stop."""


@dataclass(frozen=True)
class Subject:
    """The network that all contenders run, as a model file in a folder, with its made-up pictures and labels.

    It goes to other processes. `side` and `channels` are those of the pictures, `classes` the number of outputs.
    """

    folder: Path
    name: str
    side: int
    channels: int
    classes: int

    @property
    def model_file(self) -> Path:
        return self.folder / "model.safetensors"

    def model(self, device: str = "cpu") -> Model:
        """The classifier, newly loaded in this process."""
        from cardinet.base.bounds import no_bounds
        from cardinet.runs.model_file import load_model

        with no_bounds():  # the process that asks has checked the memory
            return load_model(self.model_file, device, compare=False)

    def pixels(self, batch: int) -> Array:
        """The first pictures, normalised float32 (batch, channels, side, side)."""
        import numpy as np

        found: Any = np.load(self.folder / "pixels.npy", mmap_mode="r")
        return np.array(found[:batch])

    def calibration(self, count: int) -> Array:
        """Other pictures, which calibrate an int8 network: float32 (count, channels, side, side)."""
        import numpy as np

        found: Any = np.load(self.folder / "pixels.npy", mmap_mode="r")
        return np.array(found[-count:])


@dataclass(frozen=True)
class Work:
    """One kind of work: a measure on batches of a size in a precision, with a number of threads, on a device."""

    measure: str
    precision: Precision
    batch: int
    threads: int
    device: str = "cpu"
