"""Match tensors with unknown names by their order, if their shapes, roles and numbers leave no doubt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from cardinet.weights.contents import Weights
from cardinet.weights.names.roles import COUNTER, HEAD, fits

ROLES = {
    "weight": ("weight", "w", "kernel", "filter", "gamma", "scale"),
    "bias": ("bias", "b", "beta", "shift", "offset"),
    "running_mean": ("running_mean", "moving_mean", "mean"),
    "running_var": ("running_var", "running_variance", "moving_variance", "moving_var", "variance", "var"),
}
"""The names that other programs give the tensors of a layer."""


def by_order(own: Mapping[str, Tensor], weights: Weights) -> dict[str, str] | None:
    """A mapping from our names to a source's, by order; None if the counts differ or there is any doubt.

    The shapes must agree, the roles too if the names show them, and numbers in the names must ascend. A file that is
    sorted by name has block10 before block2 and beta before gamma, and is not matched.
    """
    ours = [name for name in own if not name.endswith(COUNTER)]
    theirs = [name for name in weights.tensors if not name.endswith(COUNTER)]
    if not weights.ordered or len(ours) != len(theirs) or not _ascending(theirs):
        return None
    roleless = len({re.sub(r"\d+", "", name) for name in theirs}) == 1  # p0, p1, ...
    for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        here, there, role = own[mine], weights.tensors[other], role_of(other)
        if role not in (None, mine.rpartition(".")[2]):
            return None
        if role is None and not roleless and _in_a_run(i, [own[name] for name in ours]):
            return None
        if not fits(here, there) and not (mine in HEAD and here.shape[1:] == there.shape[1:]):
            return None
    return dict(zip(ours, theirs, strict=True))


def role_of(name: str) -> str | None:
    """The role of a tensor in its layer ("weight", "running_mean"), by its name; None if the name does not show it."""
    last = re.split(r"[./]", re.sub(r":\d+$", "", name))[-1].lower()
    hits = [(len(word), role) for role, words in ROLES.items() for word in words if f"_{last}".endswith(f"_{word}")]
    return max(hits)[1] if hits else None


def _in_a_run(i: int, tensors: Sequence[Tensor]) -> bool:
    """Whether a neighbour of tensor `i` has the same shape, so that the two could be swapped."""
    return any(0 <= j < len(tensors) and tensors[j].shape == tensors[i].shape for j in (i - 1, i + 1))


def _ascending(names: Sequence[str]) -> bool:
    """Whether every number in the names, after the same beginning, never falls from name to name."""
    last: dict[str, int] = {}
    for name in names:
        for number in re.finditer(r"\d+", re.sub(r":\d+$", "", name)):
            before = name[: number.start()]
            if int(number[0]) < last.get(before, 0):
                return False
            last[before] = int(number[0])
    return True
