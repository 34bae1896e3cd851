"""Write a network's weights under our names or another library's."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import torch

from cardinet.base.errors import RequestError, nearest
from cardinet.base.files import write_atomic
from cardinet.base.output_paths import path_of
from cardinet.networks.document import to_document
from cardinet.weights.checksums import with_checksums
from cardinet.weights.hidden_settings import value_at
from cardinet.weights.layout import Layout
from cardinet.weights.metadata import SPEC
from cardinet.weights.names import LAYOUTS
from cardinet.weights.same_tensors import Path, differing_fields, layouts, library_networks, merge_in_evaluation

OURS = "cardinet"
LIBRARIES = tuple(dict.fromkeys(library for library, _ in LAYOUTS))
SUFFIXES = (".safetensors", ".pth", ".pt", ".th", ".bin")


def save_weights(network: Any, path: str | os.PathLike[str], names: str = OURS) -> None:
    """Write a network's tensors atomically: as .safetensors, or as torch.save does for .pth, .pt, .th and .bin.

    `names` is "cardinet" or the library whose names are used, "torchvision", "timm" or "pytorchcv"; that library's
    network then loads them with `load_state_dict(strict=True)`. Raises RequestError if the library has no such network
    and for another suffix, WorkError if the file cannot be written.
    """
    if not isinstance(network, torch.nn.Module) or not hasattr(network, "spec"):
        raise RequestError(
            f"{type(network).__name__} is not a network of Cardinet; save other networks with "
            "torch.save(net.state_dict(), FILE)."
        )
    path = path_of(path)
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
        write_atomic(path, with_checksums(tensors, {"format": "pt", **about}))
        return
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    write_atomic(path, buffer.getvalue())


def _layout(network: Any, library: str) -> Layout:
    """The library's names for this network. Raises RequestError if it has no network that computes the same."""
    if library not in LIBRARIES:
        raise RequestError(f'names = "{library}" is unknown ({nearest(library, (OURS, *LIBRARIES))}).')

    theirs = [(peer, sized) for peer, sized in library_networks(network.spec) if peer.startswith(f"{library}:")]
    differences = {
        peer: {**differing_fields(network.spec, sized), **_joined(network.spec, sized)} for peer, sized in theirs
    }
    if not differences:
        known = dict.fromkeys(peer.partition(":")[0] for peer, _ in library_networks(network.spec))
        raise RequestError(f"{library} has no names for a network of this kind; use {', '.join((OURS, *known))}.")
    same = min(differences, key=lambda peer: len(differences[peer]))
    if differences[same]:
        others = "; ".join(
            f"{'.'.join(path)} is {value!r} instead of {value_at(network.spec, path)!r}"
            for path, value in differences[same].items()
        )
        raise RequestError(
            f'{library} has no such network; the nearest is {same}, where {others}. Use names = "{OURS}".'
        )
    return layouts()[same]


def _joined(one: Any, other: Any) -> dict[Path, Any]:
    """The merge of `other`, if it differs in evaluation."""
    return {} if merge_in_evaluation(one) == merge_in_evaluation(other) else {("merge",): other.merge}
