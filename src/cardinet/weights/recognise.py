"""Find the source's tensor for each tensor of a network: by the names of a library or code base, else by order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.weights.by_order import by_order
from cardinet.weights.contents import Weights
from cardinet.weights.layout import Layout
from cardinet.weights.names import LAYOUTS
from cardinet.weights.names.code_bases import CODE_BASES, CodeBase
from cardinet.weights.names.roles import COUNTER, HEAD, LEARNT, fits
from cardinet.weights.printable import printable

PREFIXES = ("", "module.", "model.", "_orig_mod.", "module.model.", "model.module.", "model._orig_mod.")
"""Prefixes that DistributedDataParallel, Lightning and torch.compile write before every name, the likeliest first."""

PROBES = 12
"""The number of first names of a network that decide whether a layout is tried at all."""
KINDS: dict[str, type[nn.Module]] = {
    "convolutions": nn.Conv2d,
    "batch normalisations": nn.BatchNorm2d,
    "linear layers": nn.Linear,
}


@dataclass(frozen=True)
class Names:
    """A mapping (`theirs`) from our names to the source's, for the tensors that the source has.

    `origin` says whose names they are, and is empty if they are ours or were matched by order; `prefix` stands before
    every name. `layout` is that of the libraries that have such networks, if any. With `complete` nothing is missing
    except, perhaps, counters of batches and the classifier.
    """

    theirs: Mapping[str, str]
    origin: str = ""
    layout: Layout | None = None
    prefix: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    complete: bool = True

    @property
    def count(self) -> int:
        """The number of named tensors. A classifier under another name lowers it, which counts against a layout."""
        return len(self.theirs)


def required(own: Mapping[str, Tensor]) -> list[str]:
    """The names that a source must have, or else it belongs to another network."""
    return [name for name in own if name not in HEAD and not name.endswith(COUNTER)]


def recognise(network: nn.Module, weights: Weights) -> Names:
    """The names of a source's tensors. If no known names fit, the result is the nearest incomplete one.

    Raises RequestError if the source holds the network several times.
    """
    if weights.graph is not None:
        return _by_kind(network, weights.graph, weights.source)
    own = network.state_dict()
    best = Names({name: name for name in own if name in weights.tensors}, complete=False)
    for origin in _origins():
        if (found := _by_name(own, weights, origin)) and (found.complete, found.count) > (best.complete, best.count):
            best = found
        if best.complete and all(name in best.theirs for name in HEAD):
            break
    if not best.complete and 2 * best.count < len(required(own)):  # else it is another network with known names
        best = _by_order(own, weights) or best
    return _with_head(own, weights, best)


def _with_head(own: Mapping[str, Tensor], weights: Weights, names: Names) -> Names:
    """Add the classifier's names if it has another name and only one layer of the source can be it."""
    if not names.complete or any(name in names.theirs for name in HEAD) or any(name not in own for name in HEAD):
        return names
    found = heads(own, weights, names)
    if len(found) != 1 or f"{found[0]}.bias" not in weights.tensors:
        return names
    top = child(found[0], names.prefix)
    layers = {name.rpartition(".")[0] for name in weights.tensors if name.rpartition(".")[2] in LEARNT}
    if any(
        child(layer, names.prefix) == top for layer in layers - {found[0]}
    ):  # it may be one layer of a head with several
        return names
    theirs = dict(names.theirs) | {name: f"{found[0]}.{name.rpartition('.')[2]}" for name in HEAD}
    return dataclasses.replace(
        names, theirs=theirs, notes=(*names.notes, f"The classifier is {printable(found[0])} there.")
    )


def heads(own: Mapping[str, Tensor], weights: Weights, names: Names) -> list[str]:
    """The layers of a source, outside its body, that have the shapes of the network's classifier."""
    used, inside = {*names.theirs.values()}, body(names)
    layers = [name.removesuffix(".weight") for name in weights.tensors if name.endswith(".weight") and name not in used]
    return [
        layer
        for layer in layers
        if child(layer, names.prefix) not in inside
        and all(
            fits(own[name], tensor)
            for name in HEAD
            if (tensor := weights.tensors.get(f"{layer}.{name.rpartition('.')[2]}")) is not None
        )
    ]


def body(names: Names) -> set[str]:
    """The children of the source's network that hold the named tensors, without the classifier."""
    return {child(there, names.prefix) for ours, there in names.theirs.items() if ours not in HEAD}


def child(name: str, prefix: str) -> str:
    """The child of a source's network that holds a tensor."""
    return name.removeprefix(prefix).partition(".")[0]


def _origins() -> Iterable[CodeBase]:
    """All known layouts, our own first, each once."""
    yield (ours := CodeBase("", Layout()))
    yield from CODE_BASES
    layouts: dict[Layout, str] = {}
    for (library, _), layout in LAYOUTS.items():
        layouts.setdefault(layout, library)
    yield from (
        CodeBase(f"{library}'s names", layout, of=layout)
        for layout, library in layouts.items()
        if layout != ours.layout
    )


def _by_name(own: Mapping[str, Tensor], weights: Weights, origin: CodeBase) -> Names | None:
    """The names by one layout, below any prefix that the source has; None if the source has hardly any of them."""
    needed = required(own)
    try:
        probes = list(origin.layout.translate(needed[:PROBES]).values())
        prefixes = _prefixes(probes, weights.tensors)
        translated = origin.layout.translate(own) if prefixes else {}
    except ValueError:  # a layout of other networks
        return None
    if not prefixes:
        return None
    notes = (f"The names are those of {origin.name}.",) if origin.settings else ()
    found = []
    for prefix in prefixes:
        theirs = {name: prefix + there for name, there in translated.items() if prefix + there in weights.tensors}
        complete = all(name in theirs for name in needed)
        found.append(Names(theirs, origin.name, origin.of, prefix, origin.settings, notes, complete))
    whole = [names for names in found if names.complete and _is_whole(own, weights, names)]
    found = whole or found
    complete_ones = [names for names in found if names.complete]
    if len(complete_ones) > 1 and complete_ones[0].prefix not in PREFIXES:
        places = ", ".join(f'"{printable(names.prefix)}"' for names in complete_ones)
        raise RequestError(f"{weights.source} holds this network several times, under {places}; save one of them.")
    return max(found, key=lambda names: (names.complete, names.count))  # the first of equals


def _is_whole(own: Mapping[str, Tensor], weights: Weights, names: Names) -> bool:
    """Whether all shapes fit and the source's body has no further tensors, as that of a deeper network has."""
    inside, used = body(names), {*names.theirs.values()}
    return all(
        fits(own[ours], weights.tensors[there]) for ours, there in names.theirs.items() if ours not in HEAD
    ) and not any(
        name.startswith(names.prefix) and child(name, names.prefix) in inside and name not in used
        for name in weights.tensors
    )


def _prefixes(probes: list[str], tensors: Mapping[str, Tensor]) -> list[str]:
    """The possible prefixes, the likeliest first: those that all probes have, else the usual ones."""
    seen = {name.removesuffix(probe) for probe in probes for name in tensors if name.endswith(probe)}
    seen = {prefix for prefix in seen if not prefix or prefix.endswith(".")}
    common = {prefix for prefix in seen if all(prefix + probe in tensors for probe in probes)}
    known = [prefix for prefix in PREFIXES if prefix in (common or seen)]
    return known + sorted(common.difference(known))


def _by_order(own: Mapping[str, Tensor], weights: Weights) -> Names | None:
    """The names by order, with a note; None if the order leaves doubts."""
    pairs = by_order(own, weights)
    if pairs is None:
        return None
    first = ", ".join(printable(name) for name in list(pairs.values())[:3])
    note = (
        f"Matched by order and shape: no names in common ({weights.source} has {first}, ...). Settings that tensors do "
        "not show, such as the place of strides, are taken from the network."
    )
    return Names(pairs, notes=(note,))


def _by_kind(network: nn.Module, graph: nn.Module, source: str) -> Names:
    """Match the layers of a graph without names kind by kind, in their order.

    Raises RequestError if the numbers of layers of a kind differ.
    """
    pairs: dict[str, str] = {}
    for words, kind in KINDS.items():
        ours, theirs = (
            [(name, module) for name, module in where.named_modules() if isinstance(module, kind)]
            for where in (network, graph)
        )
        if len(ours) != len(theirs):
            raise RequestError(
                f"{source} does not fit this network: it has {len(theirs)} {words} and the network {len(ours)}. "
                "Name the network that they were trained in."
            )
        for (mine, module), (other, its) in zip(ours, theirs, strict=True):
            there = its.state_dict()
            pairs |= {f"{mine}.{role}": f"{other}.{role}" for role in module.state_dict() if role in there}
    note = f"Matched by the order of the layers: {source} has no names."
    return Names(pairs, notes=(note,))
