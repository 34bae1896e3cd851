"""A plan as it is asked for in words: a front at a budget, or base widths that keep the budget of a network."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.base.output_paths import check_new_drawing
from cardinet.measure.budget import limits_of
from cardinet.measure.front_request import FrontRequest, checked
from cardinet.measure.plan import BUDGETS
from cardinet.measure.spanned import Span, cardinalities_of, factors_of
from cardinet.networks.family import Named
from cardinet.networks.registry import find

CARDINALITIES = "1,2,4,8,32"
"""The cardinalities to try at an equal budget if none are asked for."""


@dataclass(frozen=True)
class EqualBudget:
    """The network whose `budget`, params or macs, stays equal, and the cardinalities to try."""

    like: Named
    budget: str
    cardinalities: tuple[int, ...]


@dataclass(frozen=True)
class PlanWords:
    """What was typed; None means not given. `limits` are words such as "macs=4e9", or only "macs"."""

    limits: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    like: str | None = None
    depth: str | None = None
    width: str | None = None
    cardinality: str | None = None
    capacities: tuple[str, ...] = ()
    input_size: int | None = None
    batch: int = 1
    draw: Path | None = None

    @property
    def keeps_equal(self) -> bool:
        """Whether no limit is given, so that the budget of a network is kept."""
        return self.like is not None and len(self.limits) <= 1 and not any("=" in word for word in self.limits)

    def equal_budget(self) -> EqualBudget:
        """The request for base widths at an equal budget. Raises RequestError with all faults at once."""
        found = Findings()
        given = {name: getattr(self, name) for name in ("depth", "width", "input_size", "draw")}
        given |= {"family": self.families or None, "capacity": self.capacities or None}
        if options := [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]:
            with found:
                raise RequestError(f"{', '.join(sorted(options))}: give a limit with it, such as --budget macs=4e9.")
        budget = self.limits[0] if self.limits else BUDGETS[0]
        with found:
            if budget not in BUDGETS:
                raise RequestError(
                    f'--budget "{budget}": give params or macs to keep it equal ({nearest(budget, BUDGETS)}), or a '
                    "limit such as macs=4e9."
                )
        cardinalities: tuple[int, ...] = ()
        with found:
            cardinalities = cardinalities_of(CARDINALITIES if self.cardinality is None else self.cardinality)
        with found:
            row = find(self.like or "")
        found.raise_if_any()
        return EqualBudget(row, budget, cardinalities)

    def front(self) -> FrontRequest:
        """The request for a front. Raises RequestError with all faults at once."""
        found, limits, span = Findings(), {"macs": math.inf}, Span()
        with found:
            limits = limits_of(self.limits)
        with found:
            span = replace(span, depth=factors_of("--depth", "1" if self.depth is None else self.depth))
        with found:
            span = replace(span, width=factors_of("--width", "1" if self.width is None else self.width))
        with found:
            span = replace(span, cardinality=() if self.cardinality is None else cardinalities_of(self.cardinality))
        with found:
            if self.like is None and (self.depth, self.width, self.cardinality) != (None, None, None):
                raise RequestError(
                    "--depth, --width and --cardinality make variants of a network; name it with --like."
                )
        with found:
            if self.draw is not None:
                check_new_drawing(self.draw)
        request = FrontRequest(limits, self.families, self.like, span, self.capacities, self.input_size, self.batch)
        with found:
            checked(request)
        found.raise_if_any()
        return request
