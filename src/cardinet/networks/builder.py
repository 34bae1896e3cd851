"""From a description to the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardinet.networks.part import bind, resolve
from cardinet.networks.residual import Residual

if TYPE_CHECKING:
    from torch import nn

    from cardinet.blocks.classifier import ResidualClassifier
    from cardinet.blocks.unit import Layer


def build(spec: Residual, *, init: str = "torchvision", device: str = "cpu") -> ResidualClassifier:
    """The network of a description, in channels_last layout, on `device` ("meta" allocates nothing).

    `init` is "torchvision" (one seed gives torchvision's network) or "paper"; see `initialise`.
    """
    import torch

    from cardinet.blocks.classifier import ResidualClassifier
    from cardinet.networks.initialise import initialise

    with torch.device(device):
        stem = bind(spec.stem)(spec.in_channels)
        stages = []
        w_in = spec.stem.width
        for i, (depth, width) in enumerate(zip(spec.depths, spec.widths, strict=True)):
            stages.append(_stage(spec, w_in, width, depth, stride=1 if i == 0 else 2))
            w_in = width * spec.transform.expansion
        network = ResidualClassifier(stem, stages, w_in, spec.num_classes)
    if device != "meta":
        initialise(network, init)
    network.spec = spec
    return network.to(memory_format=torch.channels_last)


def _stage(spec: Residual, w_in: int, width: int, depth: int, stride: int) -> nn.Sequential:
    from torch import nn

    w_out = width * spec.transform.expansion
    first = _unit(spec, w_in, width, stride)
    return nn.Sequential(first, *(_unit(spec, w_out, width, 1) for _ in range(depth - 1)))


def _unit(spec: Residual, w_in: int, width: int, stride: int) -> nn.Module:
    w_out = width * spec.transform.expansion
    unit: nn.Module = resolve(spec.transform.MODULE)(
        _layers(spec, w_in, width, stride),
        bind(spec.transform.spatial),
        shortcut=bind(spec.shortcut)(w_in, w_out, stride),
        gate=None if spec.gate is None else bind(spec.gate)(w_out),
        merge=bind(spec.merge)(),
    )
    return unit


def _layers(spec: Residual, w_in: int, width: int, stride: int) -> list[Layer]:
    """The convolutions of one unit's transform."""
    from cardinet.blocks.unit import Layer

    transform = spec.transform
    inner, last = transform.inner_width(width), len(transform.kernels) - 1
    widths = [w_in, *[inner] * last, width * transform.expansion]
    return [
        Layer(kernel, widths[i], widths[i + 1], stride if i == transform.stride_at else 1, spatial=i == transform.at)
        for i, kernel in enumerate(transform.kernels)
    ]
