"""What the tests of growth share: trained-looking networks, and how far two networks are apart."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.build.builder import build
from cardinet.rewrite.proof import Proof, prove
from cardinet.rewrite.steps import Step, apply


@functools.cache
def trained(spec: Any, side: int) -> nn.Module:
    """A network in float32 whose BN parameters and statistics are no defaults, in eval mode. Only to be read."""
    torch.manual_seed(0)
    network = build(spec).train()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and module.affine]
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(std=0.2)
            norm.momentum = 0.5
        for _ in range(3):
            network(torch.randn(4, spec.in_channels, side, side))
        for norm in norms:
            norm.momentum = 0.1
    return network.eval()


def pictures(network: nn.Module, side: int, count: int = 4) -> Tensor:
    spec: Any = network.spec
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, spec.in_channels, side, side, generator=generator, dtype=torch.float64)


def proof(network: nn.Module, step: Step, side: int) -> Proof:
    """The proof of a step on random pictures, which raises beyond 1e-10."""

    def random(channels: int) -> Mapping[str, Tensor]:
        return {"random": torch.randn(4, channels, side, side, generator=torch.Generator().manual_seed(2))}

    return prove(network, step, random).proofs["random"]


def distance(found: Tensor, expected: Tensor) -> float:
    """The largest difference relative to the largest element."""
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())


def training(network: nn.Module, step: Step, side: int) -> tuple[float, nn.Module, nn.Module]:
    """How far the logits are apart in train mode, in float64, and both networks after the backward pass."""
    before = copy.deepcopy(network).double().train()
    after = apply(before, [step])
    x = pictures(network, side)
    found = []
    for one in (before, after):
        logits = one(x)
        found.append(logits)
        logits.square().mean().backward()
    assert after.training
    return distance(found[1], found[0]), before, after


def shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def as_its_description_builds_it(network: nn.Module, base: Any, steps: list[Step]) -> None:
    """Its names and shapes are those of its description, and the steps give them on the meta device too."""
    described: Any = network.spec
    assert shapes(network) == shapes(build(described, device="meta"))
    empty = apply(build(base, device="meta"), steps)
    assert shapes(empty) == shapes(network)
    assert all(tensor.is_meta for tensor in empty.state_dict().values())
    assert empty.spec == described
