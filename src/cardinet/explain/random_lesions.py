"""Random changes of the units of a network: several deleted, a few kept, pairs exchanged."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np

from cardinet.explain.lesions import Edit
from cardinet.explain.units import Editable


@dataclass(frozen=True)
class Choice:
    """One random change: its label, its place on the axis (a number of units, or Kendall's tau), and the edit."""

    label: str
    x: float
    edit: Edit


Experiment = Callable[[Editable, random.Random, int, int], list[Choice]]
"""Gives the changes of an experiment: of an editable network, by a generator, for so many numbers and draws."""


def deletions(found: Editable, chooser: random.Random, counts: int, draws: int) -> list[Choice]:
    """Delete k units at random, for several k."""
    return [
        Choice(f"{k} deleted", k, partial(delete, chosen=tuple(chooser.sample(range(len(found.units)), k))))
        for k in _numbers(len(found.units), counts)
        for _ in range(draws)
    ]


def keepings(found: Editable, chooser: random.Random, counts: int, draws: int) -> list[Choice]:
    """Delete all units but k at random, for several k."""
    every = range(len(found.units))
    choices = []
    for k in _numbers(len(found.units), counts):
        for _ in range(draws):
            kept = chooser.sample(every, k)
            choices.append(Choice(f"{k} kept", k, partial(delete, chosen=tuple(i for i in every if i not in kept))))
    return choices


def exchanges(found: Editable, chooser: random.Random, counts: int, draws: int) -> list[Choice]:
    """Exchange pairs of units of one shape; the axis is Kendall's tau of the order of all units."""
    alike = [list(group) for _, group in groupby(range(len(found.units)), lambda i: _place(found, i))]
    groups = [[i for i in group if found.units[i].keeps_shape] for group in alike]
    groups = [group for group in groups if len(group) > 1]
    choices: list[Choice] = []
    if not groups:
        return choices
    for swaps in _numbers(sum(map(len, groups)), counts):
        for _ in range(draws):
            order = list(range(len(found.units)))
            for _ in range(swaps):
                a, b = chooser.sample(chooser.choice(groups), 2)
                order[a], order[b] = order[b], order[a]
            choices.append(Choice(f"{swaps} exchanges", tau(order), partial(_reorder, order=order)))
    return choices


def tau(order: Sequence[int]) -> float:
    """Kendall's tau of an order: the share of pairs in their first order, less the share of the others."""
    from scipy.stats import kendalltau

    return float(kendalltau(range(len(order)), order).statistic)


def _place(found: Editable, i: int) -> tuple[str, int]:
    return found.units[i].stage, len(found.units[i].steps)


def delete(edited: Editable, chosen: Sequence[int]) -> int:
    """Delete units by their index, as an `Edit`."""
    return edited.delete(chosen)


def _reorder(edited: Editable, order: Sequence[int]) -> int:
    return edited.reorder(order)


def _numbers(most: int, counts: int) -> list[int]:
    """About `counts` numbers from 1 to `most`, evenly spread."""
    return sorted({round(value) for value in np.linspace(1, most, min(counts, most))})
