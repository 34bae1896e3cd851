"""Restore BN after the convolutions into which `fold` folded it, so that the network trains well.

A folded network is fast but learns badly: a pruned network without BN needs a tiny learning rate.
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
from cardinet.rewrite.fold import affine, folded_into
from cardinet.rewrite.module_edits import replace


def unfold(network: nn.Module) -> nn.Module:
    """A network with the same function in eval mode, with BN where `fold` folded it into one convolution before it.

    The bias of the convolution becomes beta. Mean 0, variance 1 and gamma have no effect yet; `measure_statistics`
    sets them from pictures. BN that was folded into several layers, or into layers after it, is not restored. Raises
    RequestError if there is no BN to restore, or no description that names it.
    """
    places = _places(network)
    if not places:
        raise RequestError("No convolution here has a folded BN; unfold needs a network that was folded or pruned.")
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


def measure_statistics(network: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """A network with the same function, whose BN statistics are those of pictures; gamma and beta make up for it.

    So in train mode it starts with about the same function too. The values are computed in float64. Raises
    RequestError if the statistics of a channel are not finite.
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
    """For each BN of the description that the network lacks: the convolution before it, and that BN."""
    spec: Any = getattr(network, "spec", None)
    if spec is None:
        raise RequestError('The rewrite "unfold" needs the description of the network; this network has none.')
    plain = build(spec, device="meta")
    own = dict(network.named_modules())
    found: dict[str, tuple[str, nn.BatchNorm2d]] = {}
    for name, layers in folded_into(plain).items():
        norm, conv = plain.get_submodule(name), own.get(layers[0])
        if len(layers) > 1 or type(own.get(name)) is not nn.Identity:
            continue
        if isinstance(norm, nn.BatchNorm2d) and isinstance(conv, nn.Conv2d) and conv.bias is not None:
            found[name] = (layers[0], norm)
    return found


@contextmanager
def _watched(network: nn.Module, names: Mapping[str, object]) -> Iterator[tuple[nn.Module, dict[str, list[Any]]]]:
    """A context that sums up the inputs of the named layers per channel: their number, sum and sum of squares."""
    moments: dict[str, list[Any]] = {name: [0, 0, 0] for name in names}

    def add(name: str, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].transpose(0, 1).flatten(1)
        for i, value in enumerate((x.shape[1], x.sum(1), x.square().sum(1))):
            moments[name][i] = moments[name][i] + value

    for name in names:
        network.get_submodule(name).register_forward_pre_hook(lambda _, inputs, name=name: add(name, inputs))
    yield network, moments
