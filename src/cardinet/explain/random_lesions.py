"""Random changes of the units of a network: several deleted, so that only some are kept, and pairs exchanged."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from cardinet.explain.units import Changed, Editable


@dataclass(frozen=True)
class Choice:
    """One random change, and its place on the axis: the number of deleted units, or Kendall's tau."""

    x: float
    changed: Changed


def deletions(found: Editable, chooser: random.Random, counts: int, draws: int) -> list[Choice]:
    """Delete k units at random, for k = 0, about `counts` numbers up to all but one, and all.

    To keep the branches of n - k random units is the same. Draws of one k differ; if there are fewer choices than
    draws, each is made once.
    """
    units = len(found.units)
    numbers = [0, *_numbers(units - 1, counts), units]
    return [Choice(k, found.deleted(chosen)) for k in numbers for chosen in _subsets(units, k, draws, chooser)]


def exchanges(found: Editable, chooser: random.Random, counts: int, draws: int) -> list[Choice]:
    """Exchange pairs of units of one shape; the axis is Kendall's tau of the order of all units. Empty without pairs.

    The first choice is the trained order.
    """
    groups = alike(found)
    if not groups:
        return []
    order = list(range(len(found.units)))
    choices = [Choice(1.0, found.reordered(order))]
    for swaps in _numbers(sum(map(len, groups)), counts):
        for _ in range(draws):
            order = list(range(len(found.units)))
            for _ in range(swaps):
                a, b = chooser.sample(chooser.choice(groups), 2)
                order[a], order[b] = order[b], order[a]
            choices.append(Choice(tau(order), found.reordered(order)))
    return choices


def alike(found: Editable) -> list[list[int]]:
    """The units, by their index, that can stand at each other's places: at least two of one shape, which they keep."""
    groups: dict[object, list[int]] = {}
    for i, unit in enumerate(found.units):
        if unit.keeps_shape:
            groups.setdefault((unit.shapes, len(unit.steps)), []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def tau(order: Sequence[int]) -> float:
    """Kendall's tau of an order: the share of pairs in their first order, less the share of the others."""
    from scipy.stats import kendalltau

    return float(kendalltau(range(len(order)), order).statistic)


def _numbers(most: int, counts: int) -> list[int]:
    """About `counts` numbers from 1 to `most`, evenly spread."""
    return sorted({round(value) for value in np.linspace(1, most, min(counts, most))}) if most else []


def _subsets(units: int, k: int, draws: int, chooser: random.Random) -> list[tuple[int, ...]]:
    """Different choices of k units, each in order."""
    if comb(units, k) <= draws:
        return [*combinations(range(units), k)]
    found: dict[tuple[int, ...], None] = {}
    while len(found) < draws:
        found[tuple(sorted(chooser.sample(range(units), k)))] = None
    return [*found]
