"""The builder: from a description to a network."""

from __future__ import annotations

import torch

from cardinet.blocks.classifier import Classifier
from cardinet.build.assembly import assemble
from cardinet.build.binding import make
from cardinet.build.initialise import initialise
from cardinet.build.size_bound import within_bounds
from cardinet.networks.residual import Residual
from cardinet.networks.spec import NetworkSpec


def build(spec: NetworkSpec, *, init: str = "torchvision", device: str = "cpu") -> Classifier:
    """The network of a description, in channels_last layout, on `device` ("meta" allocates nothing).

    `init` is "torchvision" (one seed gives the weights of torchvision, where it has the network) or "paper"; see
    `initialise`. Raises RequestError for a network that is larger than `base.bounds` allows.
    """
    with within_bounds(), torch.device(device):
        network = assemble(spec) if isinstance(spec, Residual) else make(spec)
    if device != "meta":
        initialise(network, init)
    network.spec = spec
    return network.to(memory_format=torch.channels_last)
