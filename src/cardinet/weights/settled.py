"""Settings of a network that its tensors cannot show: the place of a stride, a pool, which way shortcut A pads."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field, is_dataclass
from typing import Any

from torch import nn

from cardinet.base.errors import RequestError, nearest
from cardinet.blocks.shortcut import ZeroPad
from cardinet.networks.part import names as setting_names
from cardinet.networks.part import owners
from cardinet.weights.alike import Path, differing, layouts, of_libraries, of_size, same_tensors, so_named
from cardinet.weights.contents import Weights
from cardinet.weights.layout import Layout
from cardinet.weights.recognise import Names

PAD = "pad"
WAYS = {"end": "all new channels after the old ones", "both": "half of the new channels on each side"}


@dataclass(frozen=True)
class Reading:
    """What a source says of such settings, by path: the values that are `known`, and those between which it is `open`.

    `why` says for those that are open how they come to be. `proven` are known ones that the source itself states and
    that nobody has a reason to have otherwise.
    """

    known: Mapping[Path, Any] = field(default_factory=dict)
    open: Mapping[Path, tuple[Any, ...]] = field(default_factory=dict)
    why: str = ""
    proven: Set[Path] = frozenset()


def padding(network: nn.Module) -> str | None:
    """Which way the network's shortcuts of type A pad, None where none pads."""
    pads = [m for m in network.modules() if isinstance(m, ZeroPad) and any(m.channels)]
    return None if not pads else "both" if pads[0].channels[0] else "end"


def given_settings(delta: Collection[str]) -> frozenset[str]:
    """The short names of the settings and parts that a user has chosen: "pad" for "shortcut.pad"."""
    return frozenset(key.rpartition(".")[2] for key in delta)


def chosen(spec: Any, given: Collection[str]) -> frozenset[str]:
    """`given` as a caller writes it: several names or one. Raises RequestError for a name that is not a setting."""
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, Collection) or not all(isinstance(word, str) for word in words):
        raise RequestError(f'given = {given!r:.80}: give a list of names of settings, such as ["pad"].')
    known = dict.fromkeys(setting_names(spec))
    found = given_settings(words)
    if wrong := sorted(found.difference(known)):
        raise RequestError(
            *(f'given = "{name}": the network has no such setting ({nearest(name, known)}).' for name in wrong)
        )
    return found


def read_settings(network: Any, weights: Weights, names: Names, given: Collection[str] = ()) -> Reading:
    """What the source states, the layout of its names implies, or the library's networks of these tensors have."""
    spec, known, open_ = network.spec, {}, {}
    alike = _alike(network, weights, names)
    differences = [differing(spec, other) for other in alike]
    differences = [d for d in differences if not any({*path} & {*given} for path in d)] or differences
    for path in {path: None for found in differences for path in found}:
        values = tuple(dict.fromkeys(found.get(path, value_at(spec, path)) for found in differences))
        if len(values) == 1:
            known[path] = values[0]
        else:
            open_[path] = values
    stated = {**(names.settings if names.complete else {}), **weights.settings}
    for name, value in stated.items():
        places = list(owners(spec, name))
        if len(places) == 1 and (name != PAD or padding(network)):
            known[places[0]] = value
    why = f"its names are {names.origin}, of several networks, and its tensors cannot show which"
    place = ("shortcut", PAD)
    if padding(network) and not alike and place not in known:
        open_[place], why = tuple(WAYS), "its tensors cannot show it"
    states = weights.spec is not None or PAD in weights.settings
    return Reading(known, open_, why, frozenset({place} & known.keys()) if states else frozenset())


def _alike(network: Any, weights: Weights, names: Names) -> list[Any]:
    """The descriptions, with the network's tensors, of one of which the source must be; none if nobody knows."""
    if weights.spec is not None:
        stated = of_size(weights.spec, network.spec)
        return [stated] if stated is not None and same_tensors(network.spec, stated) else []
    if not names.complete or names.layout is None:
        return []
    return so_named(network.spec, names.layout, network.state_dict())


def unlike(network: Any, reading: Reading, given: Collection[str]) -> dict[Path, Any]:
    """The known settings that the network has otherwise, apart from what the user has `given` and nothing disproves."""
    spec = network.spec
    free = {path for path in reading.known if {*path} & {*given} and path not in reading.proven}
    return {path: value for path, value in reading.known.items() if path not in free and value_at(spec, path) != value}


def require_settings(network: Any, reading: Reading, given: Collection[str], source: str) -> None:
    """Raise RequestError where the source was trained with another setting, or where nobody knows with which."""
    found = []
    for path, value in unlike(network, reading, given).items():
        name, own = short(network.spec, path), value_at(network.spec, path)
        found.append(
            f"The network has {_said(path, own)}, and {source} was trained with {_said(path, value)}. Build it with "
            f"{name}={_quoted(value)}."
        )
    for path, values in reading.open.items():
        if not {*path} & {*given}:
            name = ".".join(path)  # in whole, as a short name may mean a setting of the training
            ways = " or ".join(f"--set {name}={text_of(value)}{_meaning(path, value)}" for value in values)
            found.append(
                f"{source} does not say which {name} it was trained with: {reading.why}. "
                f'Say it: {ways}; in Python build that network and call load_weights(..., given=["{path[-1]}"]).'
            )
    if found:
        raise RequestError(*found)


def usual(network: Any, names: Names) -> str:
    """What the libraries' networks have otherwise whose names are ours: many programs have these names too."""
    if names.origin or not names.complete:
        return ""
    plain = [other for peer, other in of_libraries(network.spec) if layouts()[peer] == Layout()]
    if not all(differing(network.spec, other) for other in plain):  # one of them is this network
        return ""
    found = [differing(network.spec, other) for other in so_named(network.spec, Layout(), network.state_dict())]
    if not found:
        return ""
    said = " and ".join(_said(path, value) for path, value in found[0].items())
    return f"The names are torchvision's too, whose network of these tensors has {said}; this one has not."


def settling(spec: Any, path: Path, value: Any, source: str) -> str:
    """The sentence on a setting that a source settles."""
    return (
        f"The network is built with {short(spec, path)} = {_quoted(value)}{_meaning(path, value)}, as {source} shows."
    )


def value_at(spec: Any, path: Path) -> Any:
    """The value of a setting, by its path."""
    return functools.reduce(getattr, path, spec)


def short(spec: Any, path: Path) -> str:
    """The shortest name under which a setting can be changed."""
    return path[-1] if len(list(owners(spec, path[-1]))) == 1 else ".".join(path)


def text_of(value: Any) -> Any:
    """A value as a delta in a file can have it: a part as text."""
    return "none" if value is None else repr(value) if is_dataclass(value) else value


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _said(path: Path, value: Any) -> str:
    return f"{'.'.join(path)} = {_quoted(value)}{_meaning(path, value)}"


def _meaning(path: Path, value: Any) -> str:
    return f" ({WAYS[value]})" if path[-1] == PAD else ""
