"""The base class of the methods, and what several of them share."""

from __future__ import annotations

import torch
from torch import Tensor

from cardinet.base.errors import RequestError, nearest
from cardinet.blocks.classifier import Classifier


class Method:
    """A method of attribution. `LAYERED` says that its maps are those of a stage; else the picture's."""

    LAYERED = False

    def maps(self, network: Classifier, pixels: Tensor, classes: Tensor, layer: str) -> Tensor:
        """Raw maps (B, h, w) of the classes (B,). `layer` is the stage of a layered method."""
        raise NotImplementedError


def stages(network: Classifier) -> list[str]:
    """The names of the stages whose maps can be asked for, in order: the direct children of the body with units."""
    names = [name for name in network.body_names if name.startswith("layer")]
    return names or [name for name in network.body_names if name.startswith(("conv", "pool"))]


def stage_called(network: Classifier, name: str | None) -> str:
    """The stage of that name; the last one without a name. Raises RequestError with the names there are."""
    known = stages(network)
    if name is None:
        return known[-1]
    if name not in known:
        raise RequestError(f'layer = "{name}": the network has no such stage ({nearest(name, known)}).')
    return name


def score(logits: Tensor, classes: Tensor) -> Tensor:
    """The logit of each picture's class, (B,)."""
    return logits.gather(1, classes[:, None])[:, 0]


def gradient(network: Classifier, pixels: Tensor, classes: Tensor) -> Tensor:
    """The gradient of each picture's logit of its class at its pixels, (B, C, H, W)."""
    with torch.enable_grad():
        x = pixels.detach().clone().requires_grad_()
        (found,) = torch.autograd.grad(score(network(x), classes).sum(), x)
    return found
