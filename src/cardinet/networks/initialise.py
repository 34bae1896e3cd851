"""Initial weights."""

from __future__ import annotations

from torch import nn

from cardinet.base.errors import RequestError, nearest

INITS = ("torchvision", "paper")


def initialise(network: nn.Module, init: str) -> None:
    """Draw the initial weights in place, in one pass in `modules()` order, from torch's generator.

    torchvision: convolutions normal with std sqrt(2 / fan_out) (He et al. 2015), BN 1 and 0, linear layers as
    torch makes them; after the same seed the network is torchvision's, bit for bit. paper: the same with a
    classifier bias of 0 (fb.resnet.torch, ResNeXt). A module with a method `initialise(init)` is called
    last, for what its paper says of its own layers (a gate with a bias of -6). Raises RequestError for another name.
    """
    if init not in INITS:
        raise RequestError(f'There is no initialisation "{init}" ({nearest(init, INITS)}).')
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.constant_(module.weight, 1)
            nn.init.constant_(module.bias, 0)
        elif init == "paper" and isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.constant_(module.bias, 0)
    for module in network.modules():
        if own := getattr(module, "initialise", None):
            own(init)
