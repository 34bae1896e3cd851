"""Settings that a network's tensors do not show: the place of a stride, a pool, the side on which shortcut A pads."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field, is_dataclass
from typing import Any

from torch import nn

from cardinet.base.errors import RequestError, nearest
from cardinet.blocks.shortcut import ZeroPad
from cardinet.networks.part import field_names, field_paths
from cardinet.weights.contents import Weights
from cardinet.weights.layout import Layout
from cardinet.weights.recognise import Names
from cardinet.weights.same_tensors import (
    Path,
    differing_fields,
    layouts,
    library_networks,
    networks_with_names,
    same_tensors,
    with_sizes_of,
)

PAD = "pad"
PAD_MEANINGS = {"end": "all new channels after the old ones", "both": "half of the new channels on each side"}


@dataclass(frozen=True)
class SourceSettings:
    """What a source of weights tells about hidden settings, by path.

    `known` holds settings with one possible value, `open` those with several possible values, and `why` the reason for
    the doubt. `proven` are the known settings that the source itself states; a user cannot overrule them.
    """

    known: Mapping[Path, Any] = field(default_factory=dict)
    open: Mapping[Path, tuple[Any, ...]] = field(default_factory=dict)
    why: str = ""
    proven: Set[Path] = frozenset()


def padding(network: nn.Module) -> str | None:
    """The side on which the network's shortcuts of type A pad; None if none of them pads."""
    pads = [m for m in network.modules() if isinstance(m, ZeroPad) and any(m.channels)]
    return None if not pads else "both" if pads[0].channels[0] else "end"


def given_settings(delta: Collection[str]) -> frozenset[str]:
    """The short names of the settings and parts that a user has given: "pad" for "shortcut.pad"."""
    return frozenset(key.rpartition(".")[2] for key in delta)


def check_given(spec: Any, given: Collection[str]) -> frozenset[str]:
    """The short names in `given`, which is one name or several.

    Raises RequestError for a name that is not a setting.
    """
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, Collection) or not all(isinstance(word, str) for word in words):
        raise RequestError(f'given = {given!r:.80}: give a list of setting names, such as ["pad"].')
    known = dict.fromkeys(field_names(spec))
    found = given_settings(words)
    if wrong := sorted(found.difference(known)):
        raise RequestError(
            *(f'given = "{name}": the network has no such setting ({nearest(name, known)}).' for name in wrong)
        )
    return found


def read_settings(network: Any, weights: Weights, names: Names, given: Collection[str] = ()) -> SourceSettings:
    """The hidden settings: stated by the source, implied by its names, or taken from a library's network of the same
    tensors.
    """
    spec, known, open_ = network.spec, {}, {}
    possible = _possible_descriptions(network, weights, names)
    differences = [differing_fields(spec, other) for other in possible]
    differences = [d for d in differences if not any({*path} & {*given} for path in d)] or differences
    for path in {path: None for found in differences for path in found}:
        values = tuple(dict.fromkeys(found.get(path, value_at(spec, path)) for found in differences))
        if len(values) == 1:
            known[path] = values[0]
        else:
            open_[path] = values
    stated = {**(names.settings if names.complete else {}), **weights.settings}
    for name, value in stated.items():
        places = list(field_paths(spec, name))
        if len(places) == 1 and (name != PAD or padding(network)):
            known[places[0]] = value
    why = f"its names are {names.origin}, which several networks share, and its tensors do not show which one it is"
    place = ("shortcut", PAD)
    if padding(network) and not possible and place not in known:
        open_[place], why = tuple(PAD_MEANINGS), "its tensors do not show it"
    states = weights.spec is not None or PAD in weights.settings
    return SourceSettings(known, open_, why, frozenset({place} & known.keys()) if states else frozenset())


def _possible_descriptions(network: Any, weights: Weights, names: Names) -> list[Any]:
    """The descriptions with the network's tensors that the source may have. Empty if nothing is known about it."""
    if weights.spec is not None:
        stated = with_sizes_of(weights.spec, network.spec)
        return [stated] if stated is not None and same_tensors(network.spec, stated) else []
    if not names.complete or names.layout is None:
        return []
    return networks_with_names(network.spec, names.layout, network.state_dict())


def differing_settings(network: Any, reading: SourceSettings, given: Collection[str]) -> dict[Path, Any]:
    """The known settings whose value in the network differs, except those that the user has `given` and may choose."""
    spec = network.spec
    free = {path for path in reading.known if {*path} & {*given} and path not in reading.proven}
    return {path: value for path, value in reading.known.items() if path not in free and value_at(spec, path) != value}


def require_settings(network: Any, reading: SourceSettings, given: Collection[str], source: str) -> None:
    """Raise RequestError if the source was trained with another setting, or if its setting is unknown."""
    found = []
    for path, value in differing_settings(network, reading, given).items():
        name, own = short_name(network.spec, path), value_at(network.spec, path)
        found.append(
            f"The network has {_said(path, own)}, and {source} was trained with {_said(path, value)}. Build it with "
            f"{name}={_quoted(value)}."
        )
    for path, values in reading.open.items():
        if not {*path} & {*given}:
            name = ".".join(path)  # the whole path, as a short name may be a training setting
            ways = " or ".join(f"--set {name}={delta_value(value)}{_meaning(path, value)}" for value in values)
            found.append(
                f"{source} does not say which {name} it was trained with: {reading.why}. "
                f'Give it: {ways}; in Python build that network and call load_weights(..., given=["{path[-1]}"]).'
            )
    if found:
        raise RequestError(*found)


def note_on_libraries(network: Any, names: Names) -> str:
    """A note if torchvision's network with the same names and tensors has other settings; else empty.

    Many programs use torchvision's names, so the source may be either network.
    """
    if names.origin or not names.complete:
        return ""
    plain = [other for peer, other in library_networks(network.spec) if layouts()[peer] == Layout()]
    if not all(differing_fields(network.spec, other) for other in plain):  # one of them is this network
        return ""
    found = [
        differing_fields(network.spec, other)
        for other in networks_with_names(network.spec, Layout(), network.state_dict())
    ]
    if not found:
        return ""
    said = " and ".join(_said(path, value) for path, value in found[0].items())
    return f"torchvision has a network with the same names and tensors, but with {said}; this network differs there."


def setting_sentence(spec: Any, path: Path, value: Any, source: str) -> str:
    """The message about a setting that a source of weights fixes."""
    setting = f"{short_name(spec, path)} = {_quoted(value)}{_meaning(path, value)}"
    return f"The network is built with {setting}, as {source} shows."


def value_at(spec: Any, path: Path) -> Any:
    """The value of the setting at a path of a description."""
    return functools.reduce(getattr, path, spec)


def short_name(spec: Any, path: Path) -> str:
    """The shortest name that changes the setting at a path."""
    return path[-1] if len(list(field_paths(spec, path[-1]))) == 1 else ".".join(path)


def delta_value(value: Any) -> Any:
    """A value as it can stand in a delta: a part becomes text."""
    return "none" if value is None else repr(value) if is_dataclass(value) else value


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _said(path: Path, value: Any) -> str:
    return f"{'.'.join(path)} = {_quoted(value)}{_meaning(path, value)}"


def _meaning(path: Path, value: Any) -> str:
    return f" ({PAD_MEANINGS[value]})" if path[-1] == PAD else ""
