"""Pretrained weights through the libraries that publish them."""

from __future__ import annotations

import importlib
import urllib.error
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from cardinet.base.errors import RequestError, WorkError, nearest
from cardinet.networks.registry import PEERS
from cardinet.weights.contents import Weights


def from_torchvision(name: str) -> Weights:
    """torchvision's default weights of a model ("resnet50"), or certain ones ("ResNet50_Weights.IMAGENET1K_V1").

    Raises RequestError for a name that torchvision does not know, WorkError where they cannot be downloaded.
    """
    models: Any = importlib.import_module("torchvision.models")
    try:
        weights = models.get_weight(name) if "." in name else models.get_model_weights(name).DEFAULT
    except (ValueError, KeyError, AttributeError):
        hint = nearest(name, models.list_models())
        raise RequestError(
            f'torchvision has no weights "{name}" ({hint}, or as "ResNet50_Weights.IMAGENET1K_V1").'
        ) from None
    try:
        state = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise WorkError(
            f"torchvision:{name} could not be downloaded ({reason}). Where there is no network, fetch {weights.url} "
            "elsewhere and give the file."
        ) from error
    model = name if "." not in name else type(weights).__name__.removesuffix("_Weights").lower()
    return _of("torchvision", name, model, state, f"Read torchvision's {weights}.")


def from_timm(name: str) -> Weights:
    """timm's pretrained weights of a model ("resnet50.a1_in1k").

    Raises RequestError where timm is not installed or knows no such weights, WorkError where they cannot be fetched.
    """
    try:
        timm: Any = importlib.import_module("timm")
    except ImportError:
        raise RequestError(f'"timm:{name}" needs timm: pip install "cardinet[peers]".') from None
    model = name.partition(".")[0]
    if not timm.is_model(model):
        raise RequestError(f'timm has no model "{model}" ({nearest(model, timm.list_models())}).')
    if not timm.models.is_model_pretrained(name):
        tags = timm.list_pretrained(f"{model}.*")
        raise RequestError(f'timm has no weights "{name}" ({nearest(name, tags)}).')
    try:
        state = timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # whatever the Hub's client raises
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise WorkError(
            f"timm:{name} could not be fetched ({reason}). Where there is no network, fetch the file elsewhere."
        ) from error
    return _of("timm", name, model, state, f"Read timm's {name}.")


def _of(library: str, name: str, model: str, state: Mapping[str, Tensor], said: str) -> Weights:
    """The weights of a library's network, with its description where that is known."""
    row = PEERS.get(f"{library}:{model}")
    unknown = f"{library}'s {model} is not among the networks here: what tensors do not show is taken from the network."
    return Weights(f"{library}:{name}", dict(state), spec=row and row.spec, notes=(said,) if row else (said, unknown))
