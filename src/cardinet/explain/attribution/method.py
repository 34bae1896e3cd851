"""The base class of the methods, and what several of them share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from cardinet.base.errors import RequestError, nearest
from cardinet.blocks.classifier import Classifier
from cardinet.explain.batches import PIXELS_AT_ONCE


class Method:
    """A method of attribution. `LAYERED` says that its maps are those of a layer; else the picture's.

    `COMPLETE` says that the values of a map add up to the change of the logit from the baseline, 0, to the picture.
    `SIGNED` says that values below 0 have a meaning: they speak against the class. The papers of the others drop them.
    """

    LAYERED = False
    COMPLETE = False
    SIGNED = False

    def with_points(self, points: int) -> Method:
        """The method with this number of points between the baseline and the picture, if it has such points."""
        return self

    def maps(self, network: Classifier, pixels: Tensor, classes: Tensor, layer: str) -> Tensor:
        """Raw maps (B, h, w) of the classes (B,). `layer` is a name of `layers_of`, for a layered method."""
        raise NotImplementedError


def layers_of(network: Classifier) -> Mapping[str, str]:
    """The layers whose maps can be asked for, in order: the name of each, and the child of the body that makes it.

    These are the network's taps. A network that passes two maps from block to block has none: there they are its
    stages, whose two maps count as one with the channels of both.
    """
    if network.taps:
        return {tap.name: tap.child for tap in network.taps}
    return {name: name for name in network.body_names if name.startswith("layer")}


def layer_called(network: Classifier, name: str | None, pixels: Tensor) -> str:
    """The layer of that name; without a name the last one whose map of the pictures has more than one place.

    Raises RequestError with the names there are.
    """
    check_layer(network, name)
    if name is not None:
        return name
    known, sizes = list(layers_of(network)), map_sizes(network, pixels)
    return next((layer for layer in reversed(known) if sizes[layer] != (1, 1)), known[-1])


def check_layer(network: Classifier, name: str | None) -> None:
    """Raise RequestError, with the names there are, if the network has no layer of that name."""
    known = list(layers_of(network))
    if name is not None and name not in known:
        raise RequestError(f'layer = "{name}": the network has no such layer ({nearest(name, known)}).')


@torch.no_grad()
def map_sizes(network: Classifier, pixels: Tensor) -> dict[str, tuple[int, int]]:
    """The height and width of each layer's map, for pictures of this size (B, C, H, W)."""
    layers = layers_of(network)
    maps: list[Any] = list(network.maps(pixels[:1].clone(), list(layers.values())))
    shapes = [one.shape if isinstance(one, Tensor) else one[0].shape for one in maps]
    return {name: (shape[2], shape[3]) for name, shape in zip(layers, shapes, strict=True)}


@contextmanager
def gradients() -> Iterator[None]:
    """A context in which gradients are computed, also where `no_grad` or `inference_mode` is on around it."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def score(logits: Tensor, classes: Tensor) -> Tensor:
    """The logit of each picture's class, (B,)."""
    return logits.gather(1, classes[:, None].clone())[:, 0]


def gradient(network: Classifier, pixels: Tensor, classes: Tensor) -> Tensor:
    """The gradient of each picture's logit of its class at its pixels, (B, C, H, W)."""
    with gradients():
        x = pixels.clone().detach().requires_grad_()
        (found,) = torch.autograd.grad(score(network(x), classes).sum(), x)
    return found


def copies_at_once(pixels: Tensor) -> int:
    """How many changed copies of a batch (B, C, H, W) pass a network at once, at least one."""
    return max(1, PIXELS_AT_ONCE // (len(pixels) * pixels.shape[2] * pixels.shape[3]))
