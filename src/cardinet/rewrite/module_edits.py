"""Edits of the modules of a network that rewrites share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import nn

from cardinet.base.errors import RequestError
from cardinet.build.builder import build


def replace(network: nn.Module, name: str, module: nn.Module) -> None:
    """Replace the module with a name by another one, in the same mode."""
    above, _, own = name.rpartition(".")
    module.train(network.get_submodule(name).training)
    setattr(network.get_submodule(above), own, module)


def replaced(network: nn.Module, kind: type | tuple[type, ...], make: Callable[..., nn.Module]) -> nn.Module:
    """A copy of a network in which `make(module)` replaces every module of a kind."""
    twin = copy.deepcopy(network)
    found = [(name, module) for name, module in twin.named_modules(remove_duplicate=False) if isinstance(module, kind)]
    made = {id(module): make(module) for _, module in found}
    for name, module in found:
        replace(twin, name, made[id(module)])
    return twin


def layout_of(network: nn.Module) -> torch.memory_format:
    """The memory layout of a network: channels_last if all its convolutions have that, else contiguous."""
    four = [p for p in network.parameters() if p.dim() == 4]
    last = all(p.is_contiguous(memory_format=torch.channels_last) for p in four)
    return torch.channels_last if last else torch.contiguous_format


def names_by_reason(reasons: Mapping[str, str], most: int = 3) -> Iterator[tuple[str, str]]:
    """The names for each reason, as a text with at most `most` names and the number of the others."""
    together: dict[str, list[str]] = {}
    for name, why in reasons.items():
        together.setdefault(why, []).append(name)
    for why, names in together.items():
        more = f" and {len(names) - most} more" if len(names) > most else ""
        yield ", ".join(names[:most]) + more, why


def require_unrewritten(network: nn.Module, rewrite: str) -> None:
    """Raise RequestError if a network was rewritten before, and so differs from what its description builds."""
    spec = getattr(network, "spec", None)
    if spec is None:
        raise RequestError(f'The rewrite "{rewrite}" needs the description of the network; this network has none.')
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    plain = {name: tuple(tensor.shape) for name, tensor in build(spec, device="meta").state_dict().items()}
    if own != plain:
        other = min({*own.items()} ^ {*plain.items()})[0]
        raise RequestError(
            f'The rewrite "{rewrite}" needs a network as its description builds it, and this one was rewritten before '
            f"({other} differs). Apply {rewrite} first."
        )
