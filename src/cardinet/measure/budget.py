"""The kinds of cost of a network, and limits on them as words: macs=4e9, params=25M, memory=2GB, latency=20ms."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cardinet.base.errors import Findings, RequestError, nearest

THOUSANDS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}


@dataclass(frozen=True)
class Cost:
    """A kind of cost: its title, the factors of its units, and a limit as an example. Costs count in the unit 1."""

    title: str
    units: Mapping[str, float]
    example: str


COSTS = {
    "params": Cost("parameters", THOUSANDS, "params=25M"),
    "macs": Cost("MACs", THOUSANDS, "macs=4e9"),
    "activations": Cost("activations", THOUSANDS, "activations=10M"),
    "memory": Cost("memory", {"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}, "memory=500MB"),
    "latency": Cost("latency", {"us": 1e-6, "ms": 1e-3, "s": 1.0}, "latency=20ms"),
}
"""Memory is that of a forward pass on one batch, latency the measured time of it."""

CAPACITIES = {
    "params": "parameters",
    "macs": "MACs",
    "activations": "activations",
    "depth": "depth in layers",
}
"""What more of may help. None of them is accuracy."""


def limits_of(words: Sequence[str]) -> dict[str, float]:
    """The limits of words such as "macs=4e9", by kind.

    Raises RequestError with every word that is not a limit, for a kind that is given twice, and without any word.
    """
    found, limits = Findings(), {}
    for word in words:
        kind, _, text = word.partition("=")
        with found:
            if kind not in COSTS:
                raise RequestError(f'There is no budget "{kind}" ({nearest(kind, COSTS)}).')
            if kind in limits:
                raise RequestError(f'--budget "{word}": {kind} has a limit already; give one.')
            limits[kind] = _limit(word, COSTS[kind], text)
    with found:
        if not words:
            raise RequestError("Give a limit, such as --budget macs=4e9.")
    found.raise_if_any()
    return limits


def _limit(word: str, cost: Cost, text: str) -> float:
    found = re.fullmatch(r"([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]{1,3})?) ?([A-Za-z]*)", text.strip(), re.ASCII)
    value = float(found[1]) if found else math.nan
    factor = cost.units.get(found[2], math.nan) if found else math.nan
    if not 0 < value * factor < math.inf:
        units = ", ".join(unit for unit in cost.units if unit)
        raise RequestError(
            f'--budget "{word}": give a number above 0 with one of the units {units}, such as {cost.example}.'
        )
    return value * factor


def capacities_of(words: Sequence[str], limits: Mapping[str, float]) -> tuple[str, ...]:
    """The kinds of capacity that words name; without words parameters and depth, as a deeper or wider network can more.

    With a limit on the parameters their place is taken by the MACs. Raises RequestError for a kind that is unknown, and
    for one that has a limit.
    """
    found = Findings()
    for kind in words:
        with found:
            if kind not in CAPACITIES:
                raise RequestError(f'There is no capacity "{kind}" ({nearest(kind, CAPACITIES)}).')
            if kind in limits:
                raise RequestError(f"--capacity {kind}: --budget limits it too; compare by another kind.")
    found.raise_if_any()
    usual = tuple(kind for kind in ("params", "macs") if kind not in limits)[:1]
    return tuple(dict.fromkeys(words)) or (*usual, "depth")
