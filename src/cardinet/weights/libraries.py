"""Pretrained weights that torchvision and timm publish, read through these libraries."""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor

from cardinet.base.errors import RequestError, WorkError, nearest
from cardinet.data.preprocessing import Preprocessing
from cardinet.networks.registry import PEERS, REFUSED
from cardinet.remote.reachability import head_request, short_reason, unreachable
from cardinet.weights.contents import Weights
from cardinet.weights.hub import FILES, first_file
from cardinet.weights.library_preprocessing import from_timm_config, from_torchvision_transforms


def from_torchvision(name: str) -> Weights:
    """torchvision's default weights of a model ("resnet50"), or named ones ("ResNet50_Weights.IMAGENET1K_V1").

    Raises RequestError for a name that torchvision does not know, WorkError if the download fails.
    """
    models: Any = importlib.import_module("torchvision.models")
    try:
        weights = models.get_weight(name) if "." in name else models.get_model_weights(name).DEFAULT
    except (ValueError, KeyError, AttributeError):
        hint = nearest(name, models.list_models())
        raise RequestError(
            f'torchvision has no weights "{name}" ({hint}, or as "ResNet50_Weights.IMAGENET1K_V1").'
        ) from None
    state = _from_address(
        lambda: weights.get_state_dict(progress=False, check_hash=True), weights.url, f"torchvision:{name}"
    )
    model = name if "." not in name else type(weights).__name__.removesuffix("_Weights").lower()
    said = f"Read torchvision's {weights}."
    return _library_weights("torchvision", name, model, state, said, from_torchvision_transforms(weights.transforms()))


def from_timm(name: str) -> Weights:
    """timm's pretrained weights of a model ("resnet50.a1_in1k").

    Raises RequestError if timm is not installed or has no such weights, WorkError if the download fails.
    """
    try:
        timm: Any = importlib.import_module("timm")
    except ImportError:
        raise RequestError(f'"timm:{name}" needs timm: pip install "cardinet[peers]".') from None
    model = name.partition(".")[0]
    if not timm.is_model(model):
        raise RequestError(f'timm has no model "{model}" ({nearest(model, timm.list_models())}).')
    if f"timm:{model}" in REFUSED:
        raise RequestError(f"The weights timm:{name} are not read: {REFUSED[f'timm:{model}']}")
    if not timm.models.is_model_pretrained(name):
        tags = timm.list_pretrained(f"{model}.*")
        raise RequestError(f'timm has no weights "{name}" ({nearest(name, tags)}).')
    about = timm.models.get_pretrained_cfg(name)
    if not about.hf_hub_id:
        state = _from_address(lambda: timm.create_model(name, pretrained=True).state_dict(), about.url, f"timm:{name}")
        return _library_weights("timm", name, model, state, f"Read timm's {name}.", from_timm_config(about.to_dict()))
    repo, _, revision = about.hf_hub_id.partition("@")
    files = (about.hf_hub_filename,) if about.hf_hub_filename else FILES
    path = first_file(files, repo, revision or None, f"timm:{name}")
    # The Hub's file has timm's format. A custom loader would expect the format of the model's authors.
    overlay = {"file": str(path), "custom_load": False}
    try:
        state = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay).state_dict()
    except Exception as error:  # timm may raise anything if the file is damaged or belongs to another model
        raise _unreadable(f"timm:{name}", path, error) from error
    return _library_weights("timm", name, model, state, f"Read timm's {name}.", from_timm_config(about.to_dict()))


def _from_address(read: Callable[[], Mapping[str, Tensor]], address: str, source: str) -> Mapping[str, Tensor]:
    """The tensors that a library reads from torch's cache of downloads. A missing file is downloaded from `address`.

    Raises WorkError within seconds if the server cannot be reached, and if reading fails.
    """
    cached = Path(torch.hub.get_dir(), "checkpoints", os.path.basename(urlparse(address).path))
    there = cached.exists()
    fetch = f"Without a network connection, fetch {address} elsewhere and give the file."
    if not there and (reason := unreachable(head_request(address))):
        raise WorkError(f"{source} could not be downloaded ({reason}). {fetch}")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torch prints its downloads, and stdout is for results
            return read()
    except Exception as error:  # the unpickler may raise anything for a cached file
        if there or isinstance(error, pickle.UnpicklingError | EOFError):
            raise _unreadable(source, cached, error) from error
        raise WorkError(f"{source} could not be downloaded ({short_reason(error)}). {fetch}") from error


def _unreadable(source: str, path: Path, error: Exception) -> WorkError:
    return WorkError(
        f"{source} could not be read from its local copy ({short_reason(error)}). Remove {path} and try again; it is "
        "then downloaded again."
    )


def _library_weights(
    library: str, name: str, model: str, state: Mapping[str, Tensor], said: str, preprocessing: Preprocessing | None
) -> Weights:
    """The weights of a library's network, with its description if that is known."""
    row = PEERS.get(f"{library}:{model}")
    unknown = (
        f"{library}'s {model} is not a known network: settings that tensors do not show are taken from the network."
    )
    notes = (said,) if row else (said, unknown)
    return Weights(f"{library}:{name}", dict(state), spec=row and row.spec, notes=notes, preprocessing=preprocessing)
