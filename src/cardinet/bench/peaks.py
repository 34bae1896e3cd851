"""What this machine can do at most: matrix products in each precision, and copies, measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

SIDE, LARGE = 2048, 8192
"""The side of the matrices on a CPU and on a GPU."""

COPIED = 1 << 28
"""The bytes that are copied: more than the caches hold."""

SECONDS, LEAST = 1.0, 4
"""The approximate seconds, and the least repetitions, of which the best counts."""


@dataclass(frozen=True)
class Peaks:
    """Operations a second of matrix products (2 for a multiply-add) by precision, and bytes a second of a copy.

    A copy counts what it reads and what it writes. A precision that the machine lacks is missing.
    """

    operations: dict[str, float]
    copy: float

    def to_document(self) -> dict[str, Any]:
        return asdict(self)


def measure_peaks(kept: dict[str, Any], threads: int, device: str) -> Peaks:
    """The peaks with so many threads on a device: the best of some repetitions."""
    import torch

    torch.set_num_threads(threads)
    side = LARGE if device.startswith("cuda") else SIDE
    found: dict[str, float] = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16), ("int8", torch.int8)):
        a, b = (torch.randint(-8, 8, (side, side), device=device).to(dtype) for _ in range(2))
        with suppress(RuntimeError, NotImplementedError):
            product: Callable[[], Any] = (lambda: torch._int_mm(a, b)) if name == "int8" else (lambda: a @ b)  # noqa: B023
            found[name] = 2 * side**3 / best(product, device)
    source = torch.ones(COPIED // 4, device=device)
    target = torch.empty_like(source)
    return Peaks(found, 2 * COPIED / best(lambda: target.copy_(source), device))


def best(call: Callable[[], Any], device: str) -> float:
    """The shortest time of a call, in seconds."""
    import torch

    least, number, end = float("inf"), 0, time.perf_counter() + SECONDS
    call()
    while number < LEAST or time.perf_counter() < end:
        if device != "cpu":
            torch.cuda.synchronize()
        started = time.perf_counter()
        call()
        if device != "cpu":
            torch.cuda.synchronize()
        least, number = min(least, time.perf_counter() - started), number + 1
    return least
