"""Read the weights that a text names: a file, a library's weights, or a file on the Hub."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from cardinet.base.errors import RequestError, nearest
from cardinet.networks.registry import PEERS, find
from cardinet.weights.contents import Weights

KINDS = ("torchvision", "timm", "hub")


def read_weights(source: str | Path, network: str | None = None, compare: bool = True) -> Weights:
    """The weights of `torchvision:NAME`, `timm:NAME`, `hub:REPO[@REVISION][/FILE]`, or of a file of any known format.

    "torchvision" or "timm" alone means the library's default weights of the network named `network`. With `compare` a
    file's tensors are compared with its checksums. Raises RequestError for a source that does not exist or holds no
    weights, WorkError for a damaged file and for a failed download.
    """
    if source in ("torchvision", "timm") and not os.path.lexists(source):
        source = _default(str(source), network)
    kind, _, name = str(source).partition(":")
    if kind == "torchvision" and name:
        from cardinet.weights.libraries import from_torchvision

        return from_torchvision(name)
    if kind == "timm" and name:
        from cardinet.weights.libraries import from_timm

        return from_timm(name)
    from cardinet.weights.read_file import read_file

    found = read_file(file := local_file(source), compare)
    if found.preprocessing is None and kind == "hub":
        from cardinet.weights.library_preprocessing import from_config_json

        return replace(found, preprocessing=from_config_json(file))
    return found


def _default(library: str, network: str | None) -> str:
    """The name of a library's weights for a network. Raises RequestError if it has none, or if no network is named."""
    if network is None:
        raise RequestError(
            f'"{library}" means its default weights of a network; name the network too, as in {library}:resnet50.'
        )
    id = find(network).id
    peers = [peer for peer, row in PEERS.items() if row.id in (id, network) and peer.startswith(f"{library}:")]
    if not peers:
        raise RequestError(f"{library} has no network {network}, so it has no weights for it; name a file.")
    return min(peers, key=lambda peer: (peer != f"{library}:{network}", len(peer)))


def local_file(source: str | Path) -> Path:
    """The local file of a source; a file of the Hub is downloaded. Raises as `read_weights`."""
    if not isinstance(source, str | Path) or not str(source):
        raise RequestError(f"{source!r:.80} names no weights: give a file, torchvision:NAME, timm:NAME or hub:REPO.")
    kind, colon, name = str(source).partition(":")
    if kind == "hub":
        from cardinet.weights.hub import fetch

        return fetch(name)
    if isinstance(source, str) and colon and re.fullmatch(r"\w{2,20}", kind) and not os.path.lexists(source):
        raise RequestError(_unknown_kind(kind, name))
    path = Path(source)
    model = path / "model.safetensors"
    return model if os.path.isfile(model) else path


def _unknown_kind(kind: str, name: str) -> str:
    """The message about a source of an unknown kind."""
    if kind in ("http", "https"):
        return f"{kind}:{name} is an address; fetch the file (curl -LO ADDRESS) and give its name."
    if kind == "pytorchcv":
        return (
            f"pytorchcv:{name}: pytorchcv's weights are not fetched here; save them where it is installed, as in "
            "torch.save(get_model(NAME, pretrained=True).state_dict(), FILE), and give the file."
        )
    hint = f"{kind}: needs a name" if kind in KINDS else f'there is no kind "{kind}" ({nearest(kind, KINDS)})'
    return f'"{kind}:{name}" is not a file, and {hint}.'
