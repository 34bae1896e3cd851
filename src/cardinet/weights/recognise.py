"""Which tensor of a source is which of a network: by the names of a library or code base, else by order and shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.weights.contents import Weights
from cardinet.weights.layout import Layout
from cardinet.weights.names import LAYOUTS
from cardinet.weights.names.code_bases import CODE_BASES, CodeBase

HEAD = ("fc.weight", "fc.bias")
COUNTER = "num_batches_tracked"
PREFIXES = ("", "module.", "model.", "_orig_mod.", "module.model.", "model.module.", "model._orig_mod.")
"""What DistributedDataParallel, Lightning and torch.compile write before every name, the likeliest first."""

LEARNT = {"weight", "bias", "running_mean", "running_var"}
PROBES = 12
"""By so many names at the beginning of a network it is decided whether a layout is looked at further."""
KINDS: dict[str, type[nn.Module]] = {
    "convolutions": nn.Conv2d,
    "batch normalisations": nn.BatchNorm2d,
    "linear layers": nn.Linear,
}


@dataclass(frozen=True)
class Names:
    """Our names to the source's, where the source has them: by whose names, under which prefix, or by order alone.

    `complete` says whether nothing is missing but what may be: counters of batches and the classifier.
    """

    theirs: Mapping[str, str]
    origin: str = ""
    prefix: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    complete: bool = True

    @property
    def count(self) -> int:
        """How many tensors have a name; a classifier that is called otherwise counts against a layout."""
        return len(self.theirs)


def fits(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two tensors have one shape, a linear layer being a convolution that sees its input as one pixel.

    That is a 1x1 convolution behind a pool, or a linear layer of ours on a flattened map where theirs is k x k.
    """
    if ours.dim() == theirs.dim():
        return ours.shape == theirs.shape
    if (ours.dim(), theirs.dim()) == (2, 4):
        return ours.shape == theirs.flatten(1).shape
    return (ours.dim(), theirs.dim()) == (4, 2) and ours.shape == (*theirs.shape, 1, 1)


def required(own: Mapping[str, Tensor]) -> list[str]:
    """The names without which a source is that of another network."""
    return [name for name in own if name not in HEAD and not name.endswith(COUNTER)]


def recognise(network: nn.Module, weights: Weights) -> Names:
    """The names of a source's tensors; where none are known, the nearest incomplete ones.

    Raises RequestError where the network stands in the source several times.
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
    return best if best.complete else _by_order(own, weights) or best


def _origins() -> Iterable[CodeBase]:
    """All known layouts, our own first, each once."""
    yield (ours := CodeBase("", Layout()))
    yield from CODE_BASES
    layouts: dict[Layout, str] = {}
    for (library, _), layout in LAYOUTS.items():
        layouts.setdefault(layout, f"{library}'s names")
    yield from (CodeBase(name, layout) for layout, name in layouts.items() if layout != ours.layout)


def _by_name(own: Mapping[str, Tensor], weights: Weights, origin: CodeBase) -> Names | None:
    """The names under one layout, behind whatever prefix the source has them; None where it has hardly any."""
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
        found.append(Names(theirs, origin.name, prefix, origin.settings, notes, complete))
    complete_ones = [names for names in found if names.complete]
    if len(complete_ones) > 1 and complete_ones[0].prefix not in PREFIXES:
        places = ", ".join(f'"{names.prefix}"' for names in complete_ones)
        raise RequestError(f"{weights.source} holds this network several times, under {places}; save one of them.")
    return max(found, key=lambda names: (names.complete, names.count))  # the first of equals


def _prefixes(probes: list[str], tensors: Mapping[str, Tensor]) -> list[str]:
    """What may stand before all names, the likeliest first: whatever all probes have, else what usually does."""
    seen = {name.removesuffix(probe) for probe in probes for name in tensors if name.endswith(probe)}
    seen = {prefix for prefix in seen if not prefix or prefix.endswith(".")}
    common = {prefix for prefix in seen if all(prefix + probe in tensors for probe in probes)}
    known = [prefix for prefix in PREFIXES if prefix in (common or seen)]
    return known + sorted(common.difference(known))


def _by_order(own: Mapping[str, Tensor], weights: Weights) -> Names | None:
    """The tensors one after another, where there are as many, in shapes and roles that agree; else None."""
    ours = [name for name in own if not name.endswith(COUNTER)]
    theirs = [name for name in weights.tensors if not name.endswith(COUNTER)]
    if not weights.ordered or len(ours) != len(theirs):
        return None
    for mine, other in zip(ours, theirs, strict=True):
        role = other.rpartition(".")[2]
        if role in LEARNT and role != mine.rpartition(".")[2]:
            return None
        here, there = own[mine], weights.tensors[other]
        if not fits(here, there) and not (mine in HEAD and here.shape[1:] == there.shape[1:]):
            return None
    some = ", ".join(theirs[:3])
    note = (
        f"Matched by order and shape: no names in common ({weights.source} has {some}, ...). What tensors do not show, "
        "such as the place of strides, is taken from the network."
    )
    return Names(dict(zip(ours, theirs, strict=True)), notes=(note,))


def _by_kind(network: nn.Module, graph: nn.Module, source: str) -> Names:
    """The layers of a network without names, kind by kind in the order in which they stand.

    Raises RequestError where there are more or fewer of a kind.
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
