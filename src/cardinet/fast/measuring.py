"""Measure the runtimes for a network in turn, after their answers were compared with the network's."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cardinet.base.side_work import counted
from cardinet.fast.choice import PLAIN, VERSION, Choice, Tried
from cardinet.measure.timing import rounds_in_turn
from cardinet.runtimes import RUNTIMES
from cardinet.runtimes.agreement import difference, disagreement
from cardinet.runtimes.runtime import Use

if TYPE_CHECKING:
    from cardinet.runtimes.runtime import Precision, Prepared

SECONDS, LEAST, MOST = 2.0, 5, 50
"""The approximate seconds, and the least and most rounds, in which the runtimes run in turn."""

HOPELESS = 3
"""A runtime whose second pass takes this many times as long as the fastest is not timed further."""

Progress = Callable[[str], None]


class Rival:
    """A runtime in a precision, prepared for a network. Its name is (runtime, precision)."""

    def __init__(self, runtime: str, precision: Precision) -> None:
        self.runtime, self.precision = runtime, precision
        self.run: Prepared | None = None
        self.facts: dict[str, Any] = {}

    def prepare(
        self, network: nn.Module, pixels: Tensor, batch: int, threads: int, device: str, compared: int | None = None
    ) -> Tensor | None:
        """Its logits of the pixels, or of the first `compared`; None, with the reason in its facts, if it has none."""
        made = RUNTIMES[self.runtime]
        if reason := made.hindrance(self.precision, device):
            self.facts["left_out"] = reason
            return None
        use = Use((batch, *pixels.shape[1:]), self.precision, threads, device, calibration=pixels)
        start = time.perf_counter()
        try:
            run = made.prepare(network, use)
            self.facts["preparation"] = time.perf_counter() - start
            logits = in_batches(run, pixels[:compared], batch)
        except Exception as error:  # each runtime has its own errors
            self.facts["left_out"] = first_line(error)
            return None
        self.run = run
        return logits

    def compare(self, logits: Tensor, reference: Tensor) -> None:
        """Note how its answers differ. It is left out if they are not the network's."""
        answers, exact = logits.cpu().numpy(), reference.cpu().numpy()
        if reason := disagreement(answers, exact, self.precision):
            self.facts["left_out"], self.run = reason, None
            return
        changed = int((answers.argmax(1) != exact.argmax(1)).sum())
        self.facts |= {"difference": difference(answers, exact), "changed": changed, "pictures": len(exact)}

    def tried(self) -> Tried:
        return Tried(runtime=self.runtime, precision=self.precision, **self.facts)


def measured(
    network: nn.Module,
    pixels: Tensor,
    asked: Mapping[str, Any],
    *,
    device: str = "cpu",
    progress: Progress = lambda text: None,
) -> tuple[Choice, Prepared]:
    """The fastest runtime for a network whose answers for these pixels, (N, C, H, W), are the network's.

    `asked` are the conditions of the choice (`choice.conditions`). Eager mode in float32 is always among them.
    """
    batch, threads = asked["shape"][0], asked["threads"]
    plain = Rival(PLAIN, "float32")
    others = [Rival(name, p) for p in asked["precisions"] for name in asked["among"] if (name, p) != (PLAIN, "float32")]
    reference = plain.prepare(network, pixels, batch, threads, device)
    if reference is None:
        raise AssertionError(plain.facts["left_out"])
    for rival in counted("preparing runtimes", (plain, *others), 1 + len(others)):
        progress(f"preparing {rival.runtime} in {rival.precision}")
        logits = reference if rival is plain else rival.prepare(network, pixels, batch, threads, device)
        if logits is not None:
            rival.compare(logits, reference)
    rivals = {f"{one.runtime} {one.precision}": one for one in (plain, *others) if one.run is not None}
    progress(f"measuring {len(rivals)} in turn")
    for name, milliseconds in _medians(rivals, _filled(pixels, batch)).items():
        rivals[name].facts["milliseconds"] = milliseconds
    timed = [one for one in rivals.values() if "milliseconds" in one.facts]
    best = min(timed, key=lambda one: one.facts["milliseconds"])
    assert best.run is not None
    tried = [one.tried() for one in (plain, *others)]
    choice = Choice(
        version=VERSION, measured_for=dict(asked), tried=tried, runtime=best.runtime, precision=best.precision
    )
    return choice, best.run


def _medians(rivals: Mapping[str, Rival], pixels: Tensor) -> dict[str, float]:
    """The median milliseconds of those that are not hopeless."""

    def turn(run: Prepared) -> float:
        start = time.perf_counter()
        run(pixels).cpu()
        return 1000 * (time.perf_counter() - start)

    turns: dict[str, Callable[[], float]] = {n: partial(turn, one.run) for n, one in rivals.items() if one.run}
    first = {name: (once(), once())[1] for name, once in turns.items()}
    least = min(first.values())
    for name, rival in rivals.items():
        if first[name] > HOPELESS * least and rival.runtime != PLAIN:
            rival.facts["left_out"] = f"a batch took {first[name]:.3g} ms, and the fastest {least:.3g} ms"
            del turns[name]
    found = rounds_in_turn(turns, seconds=SECONDS, most=MOST, least=LEAST)
    return {name: statistics.median(times) for name, times in found.items()}


def in_batches(run: Prepared, pixels: Tensor, batch: int) -> Tensor:
    """The logits of any number of pictures by passes of whole batches; the last one is filled up with its first."""
    found = [run(_filled(part, batch))[: len(part)] for part in pixels.split(batch)]
    return found[0] if len(found) == 1 else torch.cat(found)


def _filled(pixels: Tensor, batch: int) -> Tensor:
    """The first `batch` pictures; if there are fewer, they come again."""
    if len(pixels) >= batch:
        return pixels[:batch].contiguous()
    return pixels[torch.arange(batch) % len(pixels)].contiguous()


def first_line(error: Exception) -> str:
    """The first line of an error, as the end of a sentence."""
    lines: Sequence[str] = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
