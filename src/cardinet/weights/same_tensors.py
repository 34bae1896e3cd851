"""Compare descriptions: which have the same tensors, and in which settings they still differ."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from torch import Tensor

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.networks.part import is_part
from cardinet.networks.registry import PEERS
from cardinet.weights.layout import Layout
from cardinet.weights.names import LAYOUTS
from cardinet.weights.names.labels import LABELS

Path = tuple[str, ...]

SIZES = ("depths", "widths", "num_classes", "in_channels")
"""Arguments of a library's code: its network of one size stands for those of every size."""


def differing_fields(one: Any, other: Any, path: Path = ()) -> dict[Path, Any]:
    """The fields that make two descriptions compute different results, by path, with the value of `other`.

    Omitted are the numbers of classes and channels, fields that act only in training, and the merge of units.
    """
    if type(one) is not type(other) or not is_part(one):
        return {} if one == other else {path: other}
    found: dict[Path, Any] = {}
    for f in fields(one):
        if f.name not in {*one.TRAINING, *SIZES[2:], "merge"}:
            found |= differing_fields(getattr(one, f.name), getattr(other, f.name), (*path, f.name))
    idle = {(*path, *place.split(".")) for place in one.idle(other)}
    return {place: value for place, value in found.items() if place not in idle}


def merge_in_evaluation(spec: Any) -> Any:
    """The merge of a description's units in evaluation; None for a plain sum, or if the description has no merge."""
    merge = getattr(spec, "merge", None)
    return None if merge is None or merge.plain_when_tested else merge


def with_sizes_of(spec: Any, size: Any) -> Any | None:
    """The description `spec` with the sizes of `size`; None if they have different types or this has no meaning."""
    stages = [len(getattr(node, "depths", ())) for node in (spec, size)]
    if type(spec) is not type(size) or stages[0] != stages[1]:
        return None
    taken = {f.name: getattr(size, f.name) for f in fields(spec) if f.name in SIZES}
    try:
        return dataclasses.replace(spec, **taken)
    except RequestError:
        return None


def same_tensors(one: Any, other: Any) -> bool:
    """Whether the networks of two descriptions of the same size have the same tensors, name by name."""
    if one == other:
        return True
    mine, its = ({name: tensor.shape for name, tensor in tensors_of(_shallow(spec)).items()} for spec in (one, other))
    return mine == its


def _shallow(spec: Any) -> Any:
    """The description with at most two units a stage: the tensors of later units equal those of the second."""
    if not hasattr(spec, "depths"):
        return spec
    return dataclasses.replace(spec, depths=tuple(min(depth, 2) for depth in spec.depths))


@functools.lru_cache(maxsize=1024)
def tensors_of(spec: Any) -> Mapping[str, Tensor]:
    """A network's tensors by name, without values. It is cached, as a search meets a description many times."""
    return build(spec, device="meta").state_dict()


@functools.cache
def layouts() -> Mapping[str, Layout]:
    """The name layout of every network of the libraries, by the network's name."""
    found = {}
    for peer, row in PEERS.items():
        library = peer.partition(":")[0]
        label = next((label for pattern, label in LABELS if fnmatch.fnmatch(peer, pattern)), row.family)
        found[peer] = LAYOUTS.get((library, row.id)) or LAYOUTS[library, label]
    return found


def library_networks(spec: Any) -> Iterator[tuple[str, Any]]:
    """The libraries' networks of the same type as `spec`, by name, in the size of `spec`."""
    for peer, row in PEERS.items():
        if (sized := with_sizes_of(row.spec, spec)) is not None:
            yield peer, sized


def networks_with_names(spec: Any, layout: Layout, names: Iterable[str]) -> list[Any]:
    """The libraries' networks with the tensors of `spec` and the names of `layout`, in its size, each once."""
    wanted = {name: layout.theirs(name) for name in names}
    same = {
        known for known in set(layouts().values()) if all(known.theirs(name) == there for name, there in wanted.items())
    }
    found = dict.fromkeys(sized for peer, sized in library_networks(spec) if layouts()[peer] in same)
    return [sized for sized in found if same_tensors(spec, sized)]
