"""What weights would fit, for a message about a network that they do not fit: another shortcut, a named network."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, get_args, get_type_hints

from cardinet.base.errors import RequestError
from cardinet.networks.builder import build
from cardinet.networks.part import to_document
from cardinet.networks.registry import NETWORKS
from cardinet.networks.shortcut import Shortcut
from cardinet.weights.alike import tensors_of
from cardinet.weights.contents import Weights
from cardinet.weights.names.roles import HEAD, fits
from cardinet.weights.recognise import recognise

SECONDS = 1.0
FEWEST_TENSORS = 10
DEEPEST = 100
"""Units; a description of more takes longer to build than a message may take."""


def nearest_network(network: Any, weights: Weights) -> str | None:
    """The id of a named network whose tensors the source has by name and shape, all of them; None if none is found.

    It looks for a second, first among the networks that are described most alike.
    """
    if weights.graph is not None or len(weights.tensors) < FEWEST_TENSORS:
        return None
    end = time.monotonic() + SECONDS
    rows = [row for row in NETWORKS.values() if sum(getattr(row.spec, "depths", ())) <= DEEPEST]
    for row in sorted(rows, key=lambda row: distance(network.spec, row.spec)):
        if time.monotonic() > end:
            return None
        if distance(network.spec, row.spec) and _has_all(row.spec, weights):
            return row.id
    return None


def fitting_shortcuts(network: Any, weights: Weights) -> list[str]:
    """The kinds of shortcut with which the network would have the source's tensors; those without any look alike."""
    kind = getattr(getattr(network.spec, "shortcut", None), "kind", None)
    if kind is None or weights.graph is not None or len(weights.tensors) < FEWEST_TENSORS:
        return []
    found = []
    for other in get_args(get_type_hints(Shortcut)["kind"]):
        try:
            spec = network.spec.but(**{"shortcut.kind": other})
        except RequestError:  # a combination without a meaning
            continue
        if other != kind and _has_all(spec, weights):
            found.append(other)
    return found


def distance(one: Any, other: Any) -> int:
    """How many settings of two descriptions differ, the numbers of classes and of channels apart."""
    return _differing(to_document(one), to_document(other))


def _differing(one: Any, other: Any) -> int:
    if isinstance(one, dict) and isinstance(other, dict):
        free = {"num_classes", "in_channels"}
        return sum(_differing(one.get(key), other.get(key)) for key in {*one, *other} - free)
    return int(one != other)


def _has_all(spec: Any, weights: Weights) -> bool:
    own = tensors_of(spec)
    if abs(_counted(own) - _counted(weights.tensors)) > len(HEAD):  # seen before they are compared by name
        return False
    try:
        names = recognise(build(spec, device="meta"), weights)
    except RequestError:
        return False
    body = {ours: theirs for ours, theirs in names.theirs.items() if ours not in HEAD}
    return (
        names.complete
        and len(weights.tensors) - len(body) <= len(HEAD)
        and all(fits(own[ours], weights.tensors[theirs]) for ours, theirs in body.items())
    )


def _counted(names: Iterable[str]) -> int:
    """How many tensors there are but for the counters of batches, which a file may lack."""
    return sum(not name.endswith("num_batches_tracked") for name in names)
