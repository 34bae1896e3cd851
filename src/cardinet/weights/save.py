"""Writing a network's weights under our names or another library's."""

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
from cardinet.weights.alike import Path, differing, layouts, of_libraries, tested
from cardinet.weights.checksums import sealed
from cardinet.weights.description import SPEC
from cardinet.weights.layout import Layout
from cardinet.weights.names import LAYOUTS
from cardinet.weights.settled import value_at

OURS = "cardinet"
LIBRARIES = tuple(dict.fromkeys(library for library, _ in LAYOUTS))
SUFFIXES = (".safetensors", ".pth", ".pt", ".th", ".bin")


def save_weights(network: Any, path: str | os.PathLike[str], names: str = OURS) -> None:
    """Write a network's tensors, whole or not at all: .safetensors, or .pth (.pt, .th, .bin) as torch.save does.

    `names` is "cardinet" or the library by whose names they are written, "torchvision", "timm" or "pytorchcv", so
    that the library's network loads them with `load_state_dict(strict=True)`. Raises RequestError for names that
    this network has not in that library and for another suffix, WorkError where the file cannot be written.
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
        write_atomic(path, sealed(tensors, {"format": "pt", **about}))
        return
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    write_atomic(path, buffer.getvalue())


def _layout(network: Any, library: str) -> Layout:
    """The library's names for this network. Raises RequestError where it has none that computes the same."""
    if library not in LIBRARIES:
        raise RequestError(f'names = "{library}": there are no such names ({nearest(library, (OURS, *LIBRARIES))}).')

    theirs = [(peer, sized) for peer, sized in of_libraries(network.spec) if peer.startswith(f"{library}:")]
    differences = {peer: {**differing(network.spec, sized), **_joined(network.spec, sized)} for peer, sized in theirs}
    if not differences:
        known = dict.fromkeys(peer.partition(":")[0] for peer, _ in of_libraries(network.spec))
        raise RequestError(f"{library} has no names for a network of this kind; use {', '.join((OURS, *known))}.")
    same = min(differences, key=lambda peer: len(differences[peer]))
    if differences[same]:
        others = "; ".join(
            f"{'.'.join(path)} is {value!r} there and {value_at(network.spec, path)!r} here"
            for path, value in differences[same].items()
        )
        raise RequestError(f'{library} has no such network: of the nearest, {same}, {others}. Use names = "{OURS}".')
    return layouts()[same]


def _joined(one: Any, other: Any) -> dict[Path, Any]:
    """The way of joining units, where it differs when testing."""
    return {} if tested(one) == tested(other) else {("merge",): other.merge}
