"""From a description to the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardinet.networks.part import bind, resolve
from cardinet.networks.residual import Residual
from cardinet.networks.spec import NetworkSpec

if TYPE_CHECKING:
    from torch import nn

    from cardinet.blocks.classifier import Classifier
    from cardinet.blocks.unit import Layer


def build(spec: NetworkSpec, *, init: str = "torchvision", device: str = "cpu") -> Classifier:
    """The network of a description, in channels_last layout, on `device` ("meta" allocates nothing).

    `init` is "torchvision" (one seed gives torchvision's network) or "paper"; see `initialise`.
    """
    import torch

    from cardinet.networks.initialise import initialise

    with torch.device(device):
        network = _residual(spec) if isinstance(spec, Residual) else bind(spec)()
    if device != "meta":
        initialise(network, init)
    network.spec = spec
    return network.to(memory_format=torch.channels_last)


def _residual(spec: Residual) -> Classifier:
    from torch import nn

    from cardinet.blocks.classifier import Classifier, Tap

    body: dict[str, nn.Module] = dict(bind(spec.stem)(spec.in_channels))
    taps = [Tap("stem", list(body)[-1], spec.stem.width, spec.stem.stride)]
    w_in = spec.stem.width
    for i, (depth, width) in enumerate(zip(spec.depths, spec.widths, strict=True)):
        body[f"layer{i + 1}"] = _stage(spec, w_in, width, depth, stride=1 if i == 0 else 2)
        w_in = width * spec.transform.expansion
        taps.append(Tap(f"layer{i + 1}", f"layer{i + 1}", w_in, spec.stem.stride * 2**i))
    return Classifier(body, {"avgpool": nn.AdaptiveAvgPool2d(1), "fc": nn.Linear(w_in, spec.num_classes)}, taps)


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
