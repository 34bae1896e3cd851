"""What can run a network for inference: one object answers whether it can, and prepares a network for calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from cardinet.base.extras import PACKAGES, installed

if TYPE_CHECKING:
    from torch import Tensor, nn

    Prepared = Callable[[Tensor], Tensor]

Precision = Literal["float32", "bfloat16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")


@dataclass(frozen=True)
class Use:
    """What a network is prepared for: pixels of `shape`, (N, C, H, W), in a precision, by some threads on a device.

    `calibration` are pictures as the network gets them, float32 (M, C, H, W); they give the ranges of int8.
    """

    shape: tuple[int, ...]
    precision: Precision = "float32"
    threads: int = 1
    device: str = "cpu"
    calibration: Tensor | None = None


class Runtime(ABC):
    """One way to run a network, at its best known settings.

    `libraries` of the extra `export` are needed, and for int8 those of `int8_libraries` too. `own` says that it is
    Cardinet's.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    precisions: ClassVar[tuple[Precision, ...]] = ("float32", "bfloat16")
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    libraries: ClassVar[tuple[str, ...]] = ()
    int8_libraries: ClassVar[tuple[str, ...]] = ()
    own: ClassVar[bool] = False

    def hindrance(self, precision: Precision, device: str = "cpu") -> str:
        """Why it cannot run in a precision on a device, as the end of a sentence; empty if it can."""
        missing = [PACKAGES.get(name, name) for name in self.needs(precision) if not installed(name)]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            return f'{" and ".join(missing)} {verb} not installed: pip install "cardinet[export]"'
        if precision not in self.precisions:
            return f"it has no {precision}"
        if device.partition(":")[0] not in self.devices:
            return f"it does not run on {device}"
        return self.missing_hardware(precision)

    def needs(self, precision: Precision) -> tuple[str, ...]:
        """The libraries that have to be installed."""
        return (*self.libraries, *(self.int8_libraries if precision == "int8" else ()))

    def missing_hardware(self, precision: Precision) -> str:
        """Why this machine cannot, as the end of a sentence; empty if it can."""
        return ""

    def placed(self, pixels: Tensor, use: Use) -> Tensor:
        """Pixels in the form that it takes without a copy."""
        return pixels

    @abstractmethod
    def prepare(self, network: nn.Module, use: Use) -> Prepared:
        """A function from pixels (N, C, H, W) to logits float32 (N, K), made for one use.

        The pixels are float32, or as `placed` gives them. The network is not changed. What torch runs has the threads
        that torch has. Raises the errors of the runtime, for example for a network that it cannot take.
        """
