"""The message about weights that do not fit a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cardinet.base.errors import RequestError
from cardinet.weights.contents import Weights
from cardinet.weights.nearest import fits_already, fitting_channels, fitting_shortcuts, nearest_network
from cardinet.weights.printed import printable, some


def misfit(
    network: Any,
    weights: Weights,
    wrong: Sequence[str],
    missing: Sequence[str],
    foreign: Sequence[str],
    left_over: Sequence[str],
) -> RequestError:
    """What is wrong, missing or in the way, three of each, what only the file has, and the network that would fit."""
    problems = [*wrong[:3], *(f"{name} is missing in the file" for name in missing[:3])]
    if not problems:
        problems = [f"the network has no {printable(name)}" for name in foreign[:3]]
        left_over = ()
    more = len(wrong) + len(missing) + (0 if wrong or missing else len(foreign)) - len(problems)
    rest = f"; and {more} more" if more > 0 else ""
    unused = f" Names that only the file has: {some(left_over)}." if left_over else ""
    hint = _hint(network, weights)
    return RequestError(f"The weights do not fit this network: {'; '.join(problems)}{rest}.{unused} {hint}")


def _hint(network: Any, weights: Weights) -> str:
    """What they fit, as far as that is known."""
    if fits_already(network, weights):
        return "Name the network that they were trained in, or fetch or make the file again."
    if kinds := fitting_shortcuts(network, weights):
        ways = " or ".join(f"--set shortcut.kind={kind}" for kind in kinds)
        return f"They fit this network with shortcut.kind = {' or '.join(kinds)}: {ways}."
    if channels := fitting_channels(network, weights):
        own = network.spec.in_channels
        return f"They fit this network with in_channels = {channels}: leave in_channels = {own} out."
    if other := nearest_network(network, weights):
        return f"They fit {other}."
    if not weights.ordered and not weights.spec:
        return (
            "Name the network that they were trained in. A safetensors file keeps no order, so that tensors under "
            "names of no known program cannot be matched one after another; a .pth file of them can."
        )
    return "Name the network that they were trained in."
