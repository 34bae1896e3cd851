"""Progressive resizing: training begins with small pictures, which pass faster, and ends with those of the input.

Howard et al. 2018 (fast.ai, DAWNBench); Tan and Le 2021, EfficientNetV2 (arXiv 2104.00298), Section 4. An evaluation at
a larger size than that of the training is the subject of Touvron et al. 2019 (arXiv 1906.06423).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from cardinet.base.durations import Duration
from cardinet.base.errors import Findings, RequestError
from cardinet.train.clock import Clock
from cardinet.train.methods import Conditions, Hooks, Method

if TYPE_CHECKING:
    import torch

    from cardinet.blocks.classifier import Classifier
    from cardinet.data.batches import Batch

Side = Annotated[int, Field(ge=1)]


class ProgressiveResizing(Method):
    """The side of the training pictures grows in steps of `by` pixels from `start` to `end`.

    Crops, pads and the shorter side before a crop shrink with it. Evaluations always have the side of the input.
    """

    start: Side
    """The side of the first training pictures in pixels."""

    end: Side | None = None
    """The side of the last training pictures; none: that of the input, which evaluations have."""

    by: Side = 32
    """The pixels by which the side grows at a time; the last time it may grow by fewer."""

    begin: Duration = Duration("0 %")
    """The time from which on the side grows; until then it is `start`."""

    until: Duration = Duration("80 %")
    """The time at which the side becomes `end`; it grows in equal parts of the time from `begin` to then."""

    def sides(self, clock: Clock, side: int) -> Sequence[tuple[int, int]]:
        last = self.end or side
        grown = [*range(self.start, last, self.by), last]
        begin, until = clock.steps(self.begin), clock.steps(self.until)
        firsts = [begin + round(i * (until - begin) / (len(grown) - 1)) for i in range(1, len(grown))]
        changes = dict(zip([0, *firsts], grown, strict=True))  # of two sides from the same step the larger holds
        return tuple(changes.items())

    def check(self, network: Classifier, conditions: Conditions) -> None:
        from cardinet.measure.counts import count

        findings, side, clock = Findings(), conditions.side, conditions.clock
        with findings:
            self._check_times(clock)
        with findings:
            self._check_sides(side)
            stride = network.spec.stride
            if self.start < stride:
                raise RequestError(
                    f"ProgressiveResizing.start = {self.start}: the network divides each side by {stride}, which "
                    f"leaves less than a pixel; give {2 * stride} or more."
                )
            for small in sorted({small for _, small in self.sides(clock, side)} - {side}):
                try:
                    count(network, small, network.spec.in_channels)
                except RequestError:
                    raise RequestError(
                        f"ProgressiveResizing: the network cannot take pictures of {small} x {small} pixels; start "
                        "with larger ones, or use another network."
                    ) from None
        findings.raise_if_any()

    def _check_sides(self, side: int) -> None:
        last = self.end or side
        if self.start >= side or last > side:
            name, value = ("end", last) if last > side else ("start", self.start)
            raise RequestError(
                f"ProgressiveResizing.{name} = {value}: the input has {side} x {side} pixels; give a smaller {name}, "
                "or larger pictures with --set size=N."
            )
        if self.start > last:
            raise RequestError(
                f"ProgressiveResizing.start = {self.start} is more than end = {last}: pictures grow; give sides that "
                "rise."
            )

    def _check_times(self, clock: Clock) -> None:
        begin, until = clock.steps(self.begin), clock.steps(self.until)
        if not 0 <= begin < until <= clock.length:
            raise RequestError(
                f'ProgressiveResizing.begin = "{self.begin}" and until = "{self.until}" are steps {begin:,} and '
                f"{until:,} of {clock.length:,}: give times that rise, within the run."
            )

    def notes(self, conditions: Conditions) -> Sequence[str]:
        changes = self.sides(conditions.clock, conditions.side)
        words = ", ".join(f"{side} from step {step:,}" for step, side in changes)
        said = f"Sides of the training pictures in pixels: {words}; evaluations have {conditions.side}"
        return (f"{said} (ProgressiveResizing).",)

    def hooks(self, network: Classifier, optimizer: torch.optim.Optimizer, conditions: Conditions) -> Hooks:
        return Growing()


class Growing(Hooks):
    """Logs the side. The pictures come in the right size, which is a function of the step: there is no state."""

    side = 0

    def see(self, batch: Batch, step: int) -> Batch:
        self.side = batch.pixels.shape[-1]
        return batch

    def figures(self) -> Mapping[str, float]:
        return {"side": self.side}
