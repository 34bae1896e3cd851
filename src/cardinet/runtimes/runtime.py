"""What can run a network for inference: one object answers whether it can, and prepares a network for calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from cardinet.base.extras import PACKAGES, installed

if TYPE_CHECKING:
    from torch import Tensor, nn

    Prepared = Callable[[Tensor], Tensor]

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


class Runtime(ABC):
    """One way to run a network, at its best known settings.

    `libraries` of the extra `export` are needed. `own` says that it is Cardinet's.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    precisions: ClassVar[tuple[Precision, ...]] = PRECISIONS
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    libraries: ClassVar[tuple[str, ...]] = ()
    own: ClassVar[bool] = False

    def hindrance(self, precision: Precision, device: str = "cpu") -> str:
        """Why it cannot run in a precision on a device, as the end of a sentence; empty if it can."""
        missing = [PACKAGES.get(name, name) for name in self.libraries if not installed(name)]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            return f'{" and ".join(missing)} {verb} not installed: pip install "cardinet[export]"'
        if precision not in self.precisions:
            return f"it has no {precision}"
        if device.partition(":")[0] not in self.devices:
            return f"it does not run on {device}"
        return self.missing_hardware(precision)

    def missing_hardware(self, precision: Precision) -> str:
        """Why this machine cannot, as the end of a sentence; empty if it can."""
        return ""

    @abstractmethod
    def prepare(
        self, network: nn.Module, shape: tuple[int, ...], precision: Precision, threads: int, device: str = "cpu"
    ) -> Prepared:
        """A function from pixels float32 (N, C, H, W) to logits float32 (N, K), made for this shape of pixels.

        The network is not changed. What torch runs has the threads that torch has. Raises the errors of the runtime,
        for example for a network that it cannot take.
        """
