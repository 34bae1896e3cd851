"""Writing a network's weights under our names or another library's."""

from __future__ import annotations

import fnmatch
import io
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from cardinet.base.errors import RequestError, nearest
from cardinet.base.files import write_atomic
from cardinet.networks.family import Named
from cardinet.networks.part import to_document
from cardinet.networks.registry import NETWORKS, PEERS
from cardinet.weights.files import SPEC
from cardinet.weights.layout import Layout
from cardinet.weights.names import LAYOUTS
from cardinet.weights.names.labels import LABELS
from cardinet.weights.nearest import distance

OURS = "cardinet"
LIBRARIES = tuple(dict.fromkeys(library for library, _ in LAYOUTS))
SUFFIXES = (".safetensors", ".pth", ".pt", ".th", ".bin")


def save_weights(network: nn.Module, path: str | Path, names: str = OURS) -> None:
    """Write a network's tensors, whole or not at all: .safetensors, or .pth (.pt, .th, .bin) as torch.save does.

    `names` is "cardinet" or the library by whose names they are written, "torchvision", "timm" or "pytorchcv", so
    that the library's network loads them with `load_state_dict(strict=True)`. Raises RequestError for names that
    this network has not in that library and for another suffix, WorkError where the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise RequestError(f"{path}: end the name with one of {', '.join(SUFFIXES)}.")
    layout = Layout() if names == OURS else _layout(network, names)
    state = network.state_dict()
    try:
        theirs = layout.translate(state)
    except ValueError:
        raise RequestError(f"{names} has no such network: two of its tensors would get the same name.") from None
    tensors = {
        theirs[name]: layout.shaped(name, tensor).detach().to("cpu").contiguous() for name, tensor in state.items()
    }
    if path.suffix == ".safetensors":
        about = {SPEC: json.dumps(to_document(network.spec))} if names == OURS else {}
        write_atomic(path, safetensors.torch.save(tensors, {"format": "pt", **about}))
        return
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    write_atomic(path, buffer.getvalue())


def _layout(network: nn.Module, library: str) -> Layout:
    """The library's names for this network: those of its network that is described most alike, in the same family.

    Raises RequestError where there is none.
    """
    if library not in LIBRARIES:
        raise RequestError(f'names = "{library}": there are no such names ({nearest(library, (OURS, *LIBRARIES))}).')

    def nearest_of(rows: Mapping[str, Named]) -> str | None:
        alike = {name: row.spec for name, row in rows.items() if type(row.spec) is type(network.spec)}
        return min(alike, key=lambda name: distance(network.spec, alike[name]), default=None)

    own = nearest_of({**PEERS, **NETWORKS})
    family = {**PEERS, **NETWORKS}[own].family if own else type(network.spec).__name__
    theirs = {name: row for name, row in PEERS.items() if row.family == family}
    same = nearest_of({name: row for name, row in theirs.items() if name.startswith(f"{library}:")})
    if same is None:
        known = dict.fromkeys(name.partition(":")[0] for name in theirs)
        raise RequestError(
            f"{library} has no names for a network of the family {family}; use {', '.join((OURS, *known))}."
        )
    label = next((label for pattern, label in LABELS if fnmatch.fnmatch(same, pattern)), family)
    return LAYOUTS.get((library, PEERS[same].id)) or LAYOUTS[library, label]
