"""Pretrained weights through the libraries that publish them."""

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
from cardinet.weights.contents import Weights
from cardinet.weights.hub import FILES, first_of
from cardinet.weights.published import of_timm, of_torchvision
from cardinet.weights.reach import asking, in_short, unreachable


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
    state = _from_address(
        lambda: weights.get_state_dict(progress=False, check_hash=True), weights.url, f"torchvision:{name}"
    )
    model = name if "." not in name else type(weights).__name__.removesuffix("_Weights").lower()
    said = f"Read torchvision's {weights}."
    return _of("torchvision", name, model, state, said, of_torchvision(weights.transforms()))


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
    if f"timm:{model}" in REFUSED:
        raise RequestError(f"The weights timm:{name} are not read: {REFUSED[f'timm:{model}']}")
    if not timm.models.is_model_pretrained(name):
        tags = timm.list_pretrained(f"{model}.*")
        raise RequestError(f'timm has no weights "{name}" ({nearest(name, tags)}).')
    about = timm.models.get_pretrained_cfg(name)
    if not about.hf_hub_id:
        state = _from_address(lambda: timm.create_model(name, pretrained=True).state_dict(), about.url, f"timm:{name}")
        return _of("timm", name, model, state, f"Read timm's {name}.", of_timm(about.to_dict()))
    repo, _, revision = about.hf_hub_id.partition("@")
    files = (about.hf_hub_filename,) if about.hf_hub_filename else FILES
    path = first_of(files, repo, revision or None, f"timm:{name}")
    # Its own format of a model's authors, which timm reads only from their address, is not that of the Hub's file.
    overlay = {"file": str(path), "custom_load": False}
    try:
        state = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay).state_dict()
    except Exception as error:  # whatever timm raises at a file that is damaged or another model's
        raise _unreadable(f"timm:{name}", path, error) from error
    return _of("timm", name, model, state, f"Read timm's {name}.", of_timm(about.to_dict()))


def _from_address(read: Callable[[], Mapping[str, Tensor]], address: str, source: str) -> Mapping[str, Tensor]:
    """What a library reads from torch's cache of downloads, after a download from an address where it is not there.

    Raises WorkError where the server cannot be reached, which is known within seconds, and where reading fails.
    """
    cached = Path(torch.hub.get_dir(), "checkpoints", os.path.basename(urlparse(address).path))
    there = cached.exists()
    fetch = f"Where there is no network, fetch {address} elsewhere and give the file."
    if not there and (reason := unreachable(asking(address))):
        raise WorkError(f"{source} could not be downloaded ({reason}). {fetch}")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torch prints what it downloads, and stdout is for results
            return read()
    except Exception as error:  # of a cached file the unpickler may raise anything
        if there or isinstance(error, pickle.UnpicklingError | EOFError):
            raise _unreadable(source, cached, error) from error
        raise WorkError(f"{source} could not be downloaded ({in_short(error)}). {fetch}") from error


def _unreadable(source: str, path: Path, error: Exception) -> WorkError:
    return WorkError(
        f"{source} could not be read from its local copy ({in_short(error)}). Remove {path} and try again, so that it "
        "is fetched anew."
    )


def _of(
    library: str, name: str, model: str, state: Mapping[str, Tensor], said: str, preprocessing: Preprocessing | None
) -> Weights:
    """The weights of a library's network, with its description where that is known."""
    row = PEERS.get(f"{library}:{model}")
    unknown = f"{library}'s {model} is not among the networks here: what tensors do not show is taken from the network."
    notes = (said,) if row else (said, unknown)
    return Weights(f"{library}:{name}", dict(state), spec=row and row.spec, notes=notes, preprocessing=preprocessing)
