"""Settings of a network that its tensors cannot show: which way shortcut A pads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import nn

from cardinet.base.errors import RequestError
from cardinet.blocks.shortcut import ZeroPad
from cardinet.networks.part import owners

PAD = "pad"
WAYS = {"end": "all new channels after the old ones", "both": "half of the new channels on each side"}


def padding(network: nn.Module) -> str | None:
    """Which way the network's shortcuts of type A pad, None where none pads."""
    pads = [m for m in network.modules() if isinstance(m, ZeroPad) and any(m.channels)]
    return None if not pads else "both" if pads[0].channels[0] else "end"


def given_settings(delta: Collection[str]) -> frozenset[str]:
    """The short names of the settings that a user has chosen: "pad" for "shortcut.pad", or for a whole shortcut."""
    short = {key.rpartition(".")[2] for key in delta}
    return frozenset(short | ({PAD} if "shortcut" in short else set()))


def settings_of(spec: Any) -> dict[str, Any]:
    """What a description says of the settings that tensors do not show."""
    shortcut: Any = getattr(spec, "shortcut", None)
    return {PAD: shortcut.pad} if getattr(shortcut, "kind", None) == "A" else {}


def applicable(spec: Any, settings: Mapping[str, Any], given: Collection[str] = ()) -> dict[str, Any]:
    """Those of a source's settings that the network has otherwise, apart from what the user has `given`."""
    found = {}
    for name, value in settings.items():
        places = list(owners(spec, name))
        if len(places) == 1 and name not in given:
            node = spec
            for step in places[0]:
                node = getattr(node, step)
            if node != value:
                found[name] = value
    return found


def require_padding(network: nn.Module, settings: Mapping[str, Any], given: Collection[str], source: str) -> None:
    """Raise RequestError where nobody knows which way the weights were trained to pad, or another way than here."""
    own = padding(network)
    if own is None or PAD in given:
        return
    if PAD not in settings:
        ways = " or ".join(f"--set shortcut.{PAD}={way} ({what})" for way, what in WAYS.items())
        raise RequestError(
            f"{source} does not say which way shortcut A pads, and its tensors cannot show it. "
            f'Say it: {ways}; in Python build that network and call load_weights(..., given=["{PAD}"]).'
        )
    if settings[PAD] != own:
        raise RequestError(
            f'The network pads "{own}" (shortcut.pad), and {source} was trained with "{settings[PAD]}": '
            f'{WAYS[settings[PAD]]}. Build it with {PAD}="{settings[PAD]}".'
        )
