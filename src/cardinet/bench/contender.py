"""A contender: one program that runs the network, at the best settings that are known for it.

A contender is a class in a file of `contenders/`, which the table finds. It lives in a process of its own for each kind
of work: thread pools and caches of two contenders never meet, and the peak of the memory is its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from cardinet.base.extras import PACKAGES, installed
from cardinet.bench.work import Subject, Unable, Work

if TYPE_CHECKING:
    import numpy.typing as npt

Pass = Callable[[], "npt.NDArray[Any]"]
"""One piece of the work. It ends when the result is there, and gives it: logits, or the loss of a training step."""

NAMES = {"float32": "float32", "bfloat16": "bfloat16", "int8": "int8"}


class Contender(ABC):
    """A program that runs the network.

    `libraries` have to be installed, by `extra`. `precisions`, `measures` and `devices` are what it can do.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    precisions: ClassVar[tuple[str, ...]] = ("float32", "bfloat16")
    measures: ClassVar[tuple[str, ...]] = ("inference", "training", "start")
    devices: ClassVar[tuple[str, ...]] = ("cpu", "cuda")

    def missing(self) -> str:
        """Why it cannot run on this machine at all; empty if it can."""
        absent = [PACKAGES.get(name, name) for name in self.libraries if not installed(name)]
        if not absent:
            return ""
        verb = "is" if len(absent) == 1 else "are"
        return f'{" and ".join(absent)} {verb} not installed: pip install "cardinet[{self.extra}]"'

    def check(self, work: Work) -> None:
        """Raise Unable if it has no such work: another measure, precision or device."""
        if reason := self.missing():
            raise Unable(reason)
        if work.measure not in self.measures:
            raise Unable(f"it does not do {work.measure}")
        if work.precision not in self.precisions:
            raise Unable(f"it has no {NAMES[work.precision]}")
        if work.device.partition(":")[0] not in self.devices:
            raise Unable(f"it does not run on {work.device}")

    def write_files(self, subject: Subject, work: Work) -> None:  # noqa: B027 - most write none
        """Write what it needs besides the model file into the folder of the subject, in a process of its own.

        A translation for a runtime is made once by a user; neither a cold start nor the memory of a pass counts it.
        """

    @abstractmethod
    def inference(self, subject: Subject, work: Work) -> Pass:
        """A function that gives the logits of the batch, (batch, classes). Raises Unable."""

    def training(self, subject: Subject, work: Work) -> Pass:
        """A function that does one step of training on the batch and gives its loss, (1,). Raises Unable."""
        raise Unable("it does not train")

    def prepare(self, subject: Subject, work: Work) -> Pass:
        """The function of a kind of work."""
        return self.training(subject, work) if work.measure == "training" else self.inference(subject, work)


def document(contender: Contender) -> dict[str, Any]:
    """A contender as plain data."""
    return {"contender": contender.name, "about": contender.about}
