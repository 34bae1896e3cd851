"""What weights would fit, for a message about a network that they do not fit: another shortcut, a named network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args, get_type_hints

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.networks.document import to_document
from cardinet.networks.family import Named
from cardinet.networks.parts.shortcut import Shortcut
from cardinet.networks.registry import NETWORKS, PEERS
from cardinet.weights.alike import tensors_of
from cardinet.weights.contents import Weights
from cardinet.weights.names.roles import HEAD, fits
from cardinet.weights.recognise import recognise

FEWEST_TENSORS = 10
MOST_A_UNIT = 10
"""Convolutions in a unit, shortcut and gate included; a network outside of that is not built for a comparison."""


def fits_already(network: Any, weights: Weights) -> bool:
    """Whether the source has the network's own tensors by name and shape, so that what is wrong is something else.

    Another network with just these tensors fits no better, and computes something else.
    """
    return weights.graph is None and _has_all(network.spec, weights)


def nearest_network(network: Any, weights: Weights) -> str | None:
    """The name of another network than this whose tensors the source has by name and shape, all of them.

    First among those that are described most alike; None if there is none.
    """

    def order(row: Named) -> int:
        return distance(network.spec, row.spec)

    return next((name for name in _fitting(weights, order) if order(_named()[name])), None)


def fitting_network(weights: Weights) -> str | None:
    """The name of a network whose tensors the source has, all of them; None if there is none."""
    return next(_fitting(weights, lambda row: 0), None)


def _fitting(weights: Weights, order: Callable[[Named], int]) -> Iterator[str]:
    """The names of the networks that weights fit, in an order: ours, and those that only other libraries name."""
    if weights.graph is not None or len(weights.tensors) < FEWEST_TENSORS:
        return
    convolutions = sum(tensor.dim() == 4 for tensor in weights.tensors.values())
    for name, row in sorted(_named().items(), key=lambda item: order(item[1])):
        units = sum(getattr(row.spec, "depths", ()))
        if units and not units <= convolutions <= MOST_A_UNIT * (units + 1):
            continue
        if _has_all(row.spec, weights):
            yield name


@functools.cache
def _named() -> Mapping[str, Named]:
    """All networks by a name under which they are found."""
    return {**NETWORKS, **{peer: row for peer, row in PEERS.items() if row.id not in NETWORKS}}


def fitting_channels(network: Any, weights: Weights) -> int | None:
    """The other number of channels of pictures with which the network would have the source's tensors, if any."""
    if weights.graph is not None or len(weights.tensors) < FEWEST_TENSORS:
        return None
    others = [channels for channels in (1, 3) if channels != network.spec.in_channels]
    return next((n for n in others if _has_all(network.spec.but(in_channels=n), weights)), None)


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
