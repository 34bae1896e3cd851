"""The same network in another library, with the same weights."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cardinet.bench.work import Subject, Unable

if TYPE_CHECKING:
    from torch import nn


def library_network(subject: Subject, library: str) -> nn.Module:
    """The library's network with the weights of ours. Raises Unable if it has no such network."""
    from cardinet.base.errors import RequestError
    from cardinet.rewrite.strip import strip
    from cardinet.weights.read_file import read_tensors
    from cardinet.weights.same_tensors import differing_fields, library_networks
    from cardinet.weights.save import save_weights

    ours: Any = subject.model().network
    same = [
        peer.partition(":")[2]
        for peer, sized in library_networks(ours.spec)
        if peer.startswith(f"{library}:") and not differing_fields(ours.spec, sized)
    ]
    file = subject.folder / f"{library}.safetensors"
    try:
        save_weights(ours, file, library)
    except RequestError as error:
        raise Unable(error.findings[0].rstrip(".")) from None
    for name in same:
        network = _made(library, name, ours.spec.num_classes, ours.spec.in_channels)
        if network is not None and network.state_dict().keys() == (tensors := read_tensors(file)).keys():
            network.load_state_dict(tensors)
            return strip(network)
    raise Unable(f"{library} has no network that computes the same")


def _made(library: str, name: str, classes: int, channels: int) -> nn.Module | None:
    """A library's network of new weights for so many classes and channels; None if it has none for these channels."""
    if library == "timm":
        made: nn.Module = importlib.import_module("timm").create_model(name, num_classes=classes, in_chans=channels)
        return made
    if channels != 3:
        return None
    auxiliary = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    models = importlib.import_module("torchvision.models")
    other: nn.Module = models.get_model(name, weights=None, num_classes=classes, **auxiliary)
    return other
