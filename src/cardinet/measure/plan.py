"""Planning: the base width that keeps a network's cost when its cardinality changes (Xie et al. 2016, Table 2)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.measure.counts import Counts, count_spec
from cardinet.networks.residual import Residual

BUDGETS = ("params", "macs")


@dataclass(frozen=True)
class Row:
    """One cardinality with the base width whose count is nearest to the budget, and its counts.

    `difference` is the distance of the count from the budget, in percent of the budget.
    """

    cardinality: int
    base_width: int
    params: int
    macs: int
    activations: int
    difference: float


def plan(
    spec: Residual,
    cardinalities: Sequence[int],
    budget: str,
    input_size: int,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Row, ...]:
    """For each cardinality, the integer base width whose `budget` is nearest to that of `spec`; the smaller of two.

    Every count is measured on a network of that width, for a picture with sides of `input_size` pixels. `progress`
    is called with (rows done, rows in all). Raises RequestError with all findings at once: a network without
    a grouped bottleneck, an unknown budget, no cardinality, or a cardinality below 1.
    """
    _check(spec, cardinalities, budget)
    whole = int(getattr(count_spec(spec, input_size), budget))
    rows = []
    for done, cardinality in enumerate(cardinalities, 1):
        rows.append(_row(spec, cardinality, budget, whole, input_size))
        if progress is not None:
            progress(done, len(cardinalities))
    return tuple(rows)


def _row(spec: Residual, cardinality: int, budget: str, whole: int, input_size: int) -> Row:
    @functools.cache
    def measured(width: int) -> Counts:
        delta = {"transform.spatial.cardinality": cardinality, "transform.base_width": width}
        return count_spec(spec.but(**delta), input_size)

    def cost(width: int) -> int:
        return int(getattr(measured(width), budget))

    least = -(-64 // min(spec.widths))  # with less, a stage has no channel for a group
    width = _first(cost, whole, least)
    if width > least and whole - cost(width - 1) <= cost(width) - whole:
        width = _first(cost, cost(width - 1), least)  # narrow stages round widths down, so several can cost the same
    counts = measured(width)
    difference = 100 * (cost(width) - whole) / whole
    return Row(cardinality, width, counts.params, counts.macs, counts.activations, difference)


def _first(cost: Callable[[int], int], target: int, least: int) -> int:
    """The smallest width from `least` on that costs `target` or more, by bisection, as costs grow with the width."""
    low, high = least - 1, least
    while cost(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if cost(middle) >= target else (middle, high)
    return high


def _check(spec: Residual, cardinalities: Sequence[int], budget: str) -> None:
    found = Findings()
    with found:
        if not isinstance(spec, Residual) or replace(spec.transform, form="b").problems():
            raise RequestError(
                "Only a bottleneck with a grouped 3x3 can be planned by its cardinality; start from a network such as "
                "resnet50."
            )
    with found:
        if budget not in BUDGETS:
            raise RequestError(f'There is no budget "{budget}" ({nearest(budget, BUDGETS)}).')
    with found:
        if not cardinalities:
            raise RequestError("Give at least one cardinality.")
        if wrong := [c for c in cardinalities if c < 1]:
            raise RequestError(f"cardinality = {wrong[0]}: a transform has at least 1 group.")
    found.raise_if_any()
