"""What rewrites do to the modules of a network: copy it, find one by name, put another in its place."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import nn

from cardinet.base.errors import RequestError
from cardinet.build.builder import build


def replace(network: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module in the place of the one of that name, in the same mode."""
    above, _, own = name.rpartition(".")
    module.train(network.get_submodule(name).training)
    setattr(network.get_submodule(above), own, module)


def replaced(network: nn.Module, kind: type | tuple[type, ...], make: Callable[..., nn.Module]) -> nn.Module:
    """A copy of a network in which `make(module)` stands for every module of a kind, wherever it stands."""
    twin = copy.deepcopy(network)
    found = [(name, module) for name, module in twin.named_modules(remove_duplicate=False) if isinstance(module, kind)]
    made = {id(module): make(module) for _, module in found}
    for name, module in found:
        replace(twin, name, made[id(module)])
    return twin


def layout_of(network: nn.Module) -> torch.memory_format:
    """The memory layout of a network's convolutions: channels_last, or contiguous unless all of them are that."""
    four = [p for p in network.parameters() if p.dim() == 4]
    last = all(p.is_contiguous(memory_format=torch.channels_last) for p in four)
    return torch.channels_last if last else torch.contiguous_format


def grouped(reasons: Mapping[str, str], most: int = 3) -> Iterator[tuple[str, str]]:
    """Names that share a reason together, some of them and how many more there are, with it."""
    together: dict[str, list[str]] = {}
    for name, why in reasons.items():
        together.setdefault(why, []).append(name)
    for why, names in together.items():
        more = f" and {len(names) - most} more" if len(names) > most else ""
        yield ", ".join(names[:most]) + more, why


def as_described(network: nn.Module, rewrite: str) -> None:
    """Raise RequestError where a network is not what its description builds, but was rewritten before."""
    spec = getattr(network, "spec", None)
    if spec is None:
        raise RequestError(f'The rewrite "{rewrite}" needs a network with its description; this one carries none.')
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    plain = {name: tuple(tensor.shape) for name, tensor in build(spec, device="meta").state_dict().items()}
    if own != plain:
        other = min({*own.items()} ^ {*plain.items()})[0]
        raise RequestError(
            f'The rewrite "{rewrite}" takes a network as its description builds it, and this one was rewritten before '
            f"({other} differs); apply {rewrite} first."
        )
