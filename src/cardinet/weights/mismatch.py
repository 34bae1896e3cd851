"""The error for weights that do not fit a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cardinet.base.errors import RequestError
from cardinet.weights.contents import Weights
from cardinet.weights.fitting_networks import fits_already, fitting_channels, fitting_shortcuts, nearest_network
from cardinet.weights.printable import first_names, printable


def mismatch_error(
    network: Any,
    weights: Weights,
    wrong: Sequence[str],
    missing: Sequence[str],
    foreign: Sequence[str],
    left_over: Sequence[str],
) -> RequestError:
    """The error: wrong, missing or unexpected tensors (three of each), unused names, and the network that would fit."""
    problems = [*wrong[:3], *(f"{name} is missing in the file" for name in missing[:3])]
    if not problems:
        problems = [f"the network has no {printable(name)}" for name in foreign[:3]]
        left_over = ()
    more = len(wrong) + len(missing) + (0 if wrong or missing else len(foreign)) - len(problems)
    rest = f"; and {more} more" if more > 0 else ""
    unused = f" Names that only the file has: {first_names(left_over)}." if left_over else ""
    hint = _hint(network, weights)
    return RequestError(f"The weights do not fit this network: {'; '.join(problems)}{rest}.{unused} {hint}")


def _hint(network: Any, weights: Weights) -> str:
    """A sentence on what the weights would fit, or on what the user can do."""
    if fits_already(network, weights):
        return "Name the network that they were trained in, or fetch or make the file again."
    if kinds := fitting_shortcuts(network, weights):
        ways = " or ".join(f"--set shortcut.kind={kind}" for kind in kinds)
        return f"They fit this network with shortcut.kind = {' or '.join(kinds)}: {ways}."
    if channels := fitting_channels(network, weights):
        own = network.spec.in_channels
        return f"They fit this network with in_channels = {channels}: omit in_channels = {own}."
    if other := nearest_network(network, weights):
        return f"They fit {other}."
    if not weights.ordered and not weights.spec:
        return (
            "Name the network that they were trained in. A safetensors file does not keep the order of its tensors, so "
            "unknown names cannot be matched by order; a .pth file keeps it."
        )
    return "Name the network that they were trained in."
