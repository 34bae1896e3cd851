"""BN put back behind the convolutions into which `fold` took it, so that the network trains as one with BN does.

What was folded computes as fast as it can but learns badly: a pruned network, whose BN is gone, goes on only at a tiny
learning rate.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.rewrite.fold import affine, taken
from cardinet.rewrite.modules import replace


def unfold(network: nn.Module) -> nn.Module:
    """The same function in eval mode with BN where `fold` took it into the one convolution in front.

    The convolution's bias becomes beta; mean 0, variance 1 and gamma do nothing yet: `measured` makes statistics of
    pictures of them. BN that `fold` took into several layers, or into those behind it, stays there. Raises
    RequestError where there is no such place, or no description that names it.
    """
    places = _places(network)
    if not places:
        raise RequestError("No convolution here has its BN folded; unfold is for what fold, or pruning, has made.")
    twin = copy.deepcopy(network)
    for name, (conv_name, plain) in places.items():
        conv = twin.get_submodule(conv_name)
        assert isinstance(conv, nn.Conv2d)
        assert conv.bias is not None
        norm = nn.BatchNorm2d(conv.out_channels, plain.eps, plain.momentum)
        norm = norm.to(conv.weight.device, conv.weight.dtype)
        with torch.no_grad():
            norm.weight.fill_((1 + plain.eps) ** 0.5)
            norm.bias.copy_(conv.bias)
        norm.requires_grad_(conv.weight.requires_grad)
        conv.bias = None
        replace(twin, name, norm)
    return twin


def measured(network: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """The same function with every BN's statistics those of pictures, and gamma and beta such that nothing changes.

    In train mode, too, it then begins as about that function. Computed in float64. Raises RequestError where a
    channel's statistics are no numbers.
    """
    twin = copy.deepcopy(network)
    norms = {
        n: m for n, m in twin.named_modules() if isinstance(m, nn.BatchNorm2d) and m.affine and m.track_running_stats
    }
    with _watched(copy.deepcopy(network).double().eval(), norms) as (exact, moments), torch.inference_mode():
        for pixels in batches:
            exact(pixels.to(next(exact.parameters()).device, torch.float64))
    for name, norm in norms.items():
        count, total, squares = moments[name]
        mean = total / count
        variance = (squares / count - mean.square()).clamp_min(0)
        if not bool(variance.isfinite().all()):
            raise RequestError(f"The statistics of {name} are not numbers on these pictures.")
        scale, shift = affine(norm)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        with torch.no_grad():
            norm.weight.copy_(scale * (variance + norm.eps).sqrt())
            norm.bias.copy_(shift + scale * mean)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
    return twin


def _places(network: nn.Module) -> dict[str, tuple[str, nn.BatchNorm2d]]:
    """By the name of a BN that the description has and the network lacks: the convolution in front, and that BN."""
    spec: Any = getattr(network, "spec", None)
    if spec is None:
        raise RequestError('The rewrite "unfold" needs a network with its description; this one carries none.')
    plain = build(spec, device="meta")
    own = dict(network.named_modules())
    found: dict[str, tuple[str, nn.BatchNorm2d]] = {}
    for name, layers in taken(plain).items():
        norm, conv = plain.get_submodule(name), own.get(layers[0])
        if len(layers) > 1 or type(own.get(name)) is not nn.Identity:
            continue
        if isinstance(norm, nn.BatchNorm2d) and isinstance(conv, nn.Conv2d) and conv.bias is not None:
            found[name] = (layers[0], norm)
    return found


@contextmanager
def _watched(network: nn.Module, names: Mapping[str, object]) -> Iterator[tuple[nn.Module, dict[str, list[Any]]]]:
    """A network whose layers of these names add up what they read: how many values, their sum and that of squares."""
    moments: dict[str, list[Any]] = {name: [0, 0, 0] for name in names}

    def add(name: str, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].transpose(0, 1).flatten(1)
        for i, value in enumerate((x.shape[1], x.sum(1), x.square().sum(1))):
            moments[name][i] = moments[name][i] + value

    for name in names:
        network.get_submodule(name).register_forward_pre_hook(lambda _, inputs, name=name: add(name, inputs))
    yield network, moments
