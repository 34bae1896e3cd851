"""Find what weights do fit, for the message that they do not fit a network: another shortcut, a named network."""

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
from cardinet.weights.contents import Weights
from cardinet.weights.names.roles import HEAD, fits
from cardinet.weights.recognise import recognise
from cardinet.weights.same_tensors import tensors_of

FEWEST_TENSORS = 10
MOST_A_UNIT = 10
"""The most convolutions in a unit, with its shortcut and gate. Networks beyond it are not compared."""


def fits_already(network: Any, weights: Weights) -> bool:
    """Whether the source has all tensors of the network by name and shape, so that something else must be wrong.

    Another network with exactly these tensors would fit no better, and it computes something else.
    """
    return weights.graph is None and _has_all(network.spec, weights)


def nearest_network(network: Any, weights: Weights) -> str | None:
    """The name of another network whose tensors the source has by name and shape, all of them; None without one.

    Of several it is the one with the most similar description.
    """

    def order(row: Named) -> int:
        return distance(network.spec, row.spec)

    return next((name for name in _fitting(weights, order) if order(_named()[name])), None)


def fitting_network(weights: Weights) -> str | None:
    """The name of a network whose tensors the source has, all of them; None without one."""
    return next(_fitting(weights, lambda row: 0), None)


def _fitting(weights: Weights, order: Callable[[Named], int]) -> Iterator[str]:
    """The names of the networks that weights fit, sorted by `order`: ours, and those that only libraries name."""
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
    """All networks, each under one name that finds it."""
    return {**NETWORKS, **{peer: row for peer, row in PEERS.items() if row.id not in NETWORKS}}


def fitting_channels(network: Any, weights: Weights) -> int | None:
    """The other number of input channels that gives the network the source's tensors; None without one."""
    if weights.graph is not None or len(weights.tensors) < FEWEST_TENSORS:
        return None
    others = [channels for channels in (1, 3) if channels != network.spec.in_channels]
    return next((n for n in others if _has_all(network.spec.but(in_channels=n), weights)), None)


def fitting_shortcuts(network: Any, weights: Weights) -> list[str]:
    """The other kinds of shortcut that give the network the source's tensors. Kinds without tensors are all listed."""
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
    """The number of settings that differ between two descriptions, without the numbers of classes and channels."""
    return _differing(to_document(one), to_document(other))


def _differing(one: Any, other: Any) -> int:
    if isinstance(one, dict) and isinstance(other, dict):
        free = {"num_classes", "in_channels"}
        return sum(_differing(one.get(key), other.get(key)) for key in {*one, *other} - free)
    return int(one != other)


def _has_all(spec: Any, weights: Weights) -> bool:
    own = tensors_of(spec)
    if abs(_counted(own) - _counted(weights.tensors)) > len(HEAD):  # quicker than a comparison by name
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
    """The number of tensors without the counters of batches, which a file may lack."""
    return sum(not name.endswith("num_batches_tracked") for name in names)
