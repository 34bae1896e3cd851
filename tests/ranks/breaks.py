"""`cardinet` in a process that breaks at the fourth step of a training: `python -m ranks.breaks HOW RANK WORDS`."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Any, cast

from cardinet.base.errors import WorkError
from cardinet.cli.main import run
from cardinet.data.batches import Batch
from cardinet.train.loop import Loop

STEP = 3


def missing(loop: Loop, batch: Batch) -> None:
    raise WorkError("a/1.png is missing.")


def full(loop: Loop, batch: Batch) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "a/1.png")


def memory(loop: Loop, batch: Batch) -> None:
    raise MemoryError("can't allocate memory")


def stop(loop: Loop, batch: Batch) -> None:
    raise KeyboardInterrupt


def fault(loop: Loop, batch: Batch) -> None:
    raise KeyError("a fault of the program")


def nan(loop: Loop, batch: Batch) -> None:
    batch.pixels[0] = float("nan")


HOW: dict[str, Callable[[Loop, Batch], None]] = {
    deed.__name__: deed for deed in (missing, full, memory, stop, fault, nan)
}


def main() -> None:
    how, rank, *words = sys.argv[1:]
    step: Any = Loop._step

    def broken(loop: Loop, batch: Batch, waited: float) -> None:
        if loop.progress.step == STEP and rank in ("all", os.environ["RANK"]):
            HOW[how](loop, batch)
        step(loop, batch, waited)

    if how in HOW:
        Loop._step = cast(Any, broken)  # type: ignore[method-assign]
    sys.argv = ["cardinet", *words]
    run()


if __name__ == "__main__":
    main()
