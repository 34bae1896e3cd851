"""A contender at one kind of work, in a process of its own: prepared, compared, warmed up, and then timed in turn."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cardinet.bench.contender import Contender
from cardinet.bench.work import Subject, Work
from cardinet.bench.worker import Worker

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

TURN = 0.02
"""The least seconds of the passes of one turn: shorter ones are repeated."""

STEADY, WARM = 0.05, 12
"""A contender is warm once a pass is not faster than the one before by more than this share; the most passes."""

COOL = 0.003
"""Seconds before a turn in which the threads of the contender before it fall asleep."""


class Lane:
    """A contender and a work. `answers` are what its first passes gave: logits, or the losses of training steps."""

    def __init__(self, contender: Contender, subject: Subject, work: Work) -> None:
        self.contender, self.subject, self.work = contender, subject, work
        self.answers: Array | None = None
        self.worker: Worker | None = None

    def prepare(self) -> Array:
        """Its first answers. Raises Unable."""
        self.contender.check(self.work)
        with Worker(self.work.threads) as worker:
            worker.ask(partial(write_files, contender=self.contender, subject=self.subject, work=self.work))
        self.worker = Worker(self.work.threads)
        self.answers = cast("Array", self.worker.ask(self._first()))
        return self.answers

    def warm_up(self) -> None:
        """Bring it to a steady speed, and begin to measure its memory. Raises Unable."""
        if self.work.measure != "start":
            self._asked().ask(warm_up)

    def turn(self) -> float:
        """The milliseconds of one pass. A cold start is that of a new process, until its first answer."""
        if self.work.measure == "start":
            self.end()
            started = time.perf_counter()
            self.worker = Worker(self.work.threads)
            self.worker.ask(self._first())
            return 1000 * (time.perf_counter() - started)
        time.sleep(COOL)
        milliseconds: float = self._asked().ask(turn)
        return milliseconds

    def peak(self) -> int | None:
        """The most bytes of its process since it was warm; on a GPU those of torch's tensors. None if unknown."""
        found: int | None = self._asked().ask(partial(peak, device=self.work.device))
        return found

    def end(self) -> None:
        """End its process."""
        if self.worker is not None:
            self.worker.end()
            self.worker = None

    def _first(self) -> Any:
        return partial(first_answers, contender=self.contender, subject=self.subject, work=self.work)

    def _asked(self) -> Worker:
        assert self.worker is not None
        return self.worker


def write_files(kept: dict[str, Any], contender: Contender, subject: Subject, work: Work) -> None:
    """Let a contender write its files."""
    contender.write_files(subject, work)


def first_answers(kept: dict[str, Any], contender: Contender, subject: Subject, work: Work) -> Array:
    """Prepare a contender; the logits of the pictures, or the losses of the first two steps of training."""
    import numpy as np

    kept["pass"] = once = contender.prepare(subject, work)
    answers = [once() for _ in range(2 if work.measure == "training" else 1)]
    return np.concatenate([np.asarray(answer, dtype=np.float32) for answer in answers])


def warm_up(kept: dict[str, Any]) -> None:
    """Do passes until they are no longer getting faster. Then the peak of the memory begins."""
    once, before, times = kept["pass"], float("inf"), list[float]()
    for _ in range(WARM):
        started = time.perf_counter()
        once()
        times.append(time.perf_counter() - started)
        if times[-1] > (1 - STEADY) * before:
            break
        before = times[-1]
    kept["repeats"] = max(1, round(TURN / times[-1] + 0.5)) if times[-1] < TURN else 1
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak of this process starts anew
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()


def turn(kept: dict[str, Any]) -> float:
    """The milliseconds of a pass. An unmeasured one before it warms the caches after the other contenders."""
    once, repeats = kept["pass"], kept["repeats"]
    once()
    started = time.perf_counter()
    for _ in range(repeats):
        once()
    milliseconds: float = 1000 * (time.perf_counter() - started) / repeats
    return milliseconds


def peak(kept: dict[str, Any], device: str) -> int | None:
    """The most resident bytes of this process, or the most allocated ones on its GPU."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return None
