"""The settings of recipes and of networks, group by group. A new field, part or network appears by itself."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pydantic.fields import FieldInfo

from cardinet.base.docstrings import field_sentences, first_paragraph
from cardinet.base.errors import RequestError
from cardinet.base.recipe_parts import OneOf, RecipePart, SomeOf
from cardinet.base.settings import Settings, find_setting, setting_paths, short_names
from cardinet.networks.part import PARTS, SHORTHANDS, Part
from cardinet.networks.registry import NETWORKS
from cardinet.train.catalogue.wording import PART, Schema, default_of, in_words, parts_in, schemas, written
from cardinet.train.recipe import Recipe
from cardinet.train.watching import TRACKERS

Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """One setting: `key` is the shortest that `--set` takes always, `path` the full one, None where it takes none.

    `default` is written as after `--set KEY=`; None where a value has to be given.
    """

    name: str
    key: str | None
    path: str | None
    type: str
    default: str | None
    sentence: str


@dataclass(frozen=True)
class Group:
    """The settings of one group of a recipe, of one part or of one kind of network.

    `role` is where a part stands ("optimizer", "gate"), "network" for a kind of network, "tracker" for one of
    `--watch`, "question" for one of `cardinet explain`, and empty for a group of a recipe; `example` is how it is
    written.
    """

    name: str
    role: str
    about: tuple[str, ...]
    example: str
    settings: tuple[Setting, ...]


def every_group() -> tuple[Group, ...]:
    """All groups: those of a recipe with their parts, the kinds of networks, the parts of networks, the trackers."""
    return (*recipe_groups(Recipe), *network_groups(), *tracker_groups())


# Any class with settings


def flat_group(kind: type[Settings], *, name: str, role: str, about: str, example: str) -> Group:
    """The group of a class whose settings are no groups and no parts, such as a question of `cardinet explain`."""
    return Group(name, role, (about,), example, _settings(kind, {key: (key,) for key in kind.model_fields}, ".".join))


def _settings(kind: Any, places: Mapping[str, Path | None], key: Callable[[Path], str]) -> tuple[Setting, ...]:
    """The settings of a class, each at its place, under the key that a function gives to it."""
    sentences, shapes = field_sentences(kind), schemas(kind)
    known: dict[str, FieldInfo] = kind.__pydantic_fields__
    return tuple(
        Setting(
            name,
            None if path is None else key(path),
            None if path is None else ".".join(path),
            _type(name, shapes[name]),
            default_of(known[name], name),
            sentences.get(name, ""),
        )
        for name, path in places.items()
    )


def _type(field: str, schema: Schema) -> str:
    """The allowed values of a field in words; the short words for parts come first."""
    words = in_words(schema, functools.partial(_kinds, field))
    short = SHORTHANDS.get(field, {}) if PART in schema else {}
    return f"one of {', '.join(short)}, or {words}" if short else words


def _call(kind: Any, settings: Sequence[Setting]) -> str:
    """How a part is written: with what has to be given, else with the first setting that only it has."""
    own = [s for s in settings if s.name in vars(kind).get("__annotations__", {})]
    given = [s for s in settings if s.default is None] or (own or list(settings))[:1]
    known: dict[str, FieldInfo] = kind.__pydantic_fields__
    inner = [
        f"{s.name}={'...' if s.default is None else written(known[s.name].default, s.name, within=True)}" for s in given
    ]
    return f"{kind.__name__}({', '.join(inner)})"


def _kinds(field: str, name: str) -> list[str]:
    """The parts that a field may have whose type is called `name`."""
    if name == Part.__name__:
        return [kind.__name__ for kind in PARTS.values() if field == kind.ROLE]
    found = [kind.__name__ for kind in PARTS.values() if any(base.__name__ == name for base in kind.__mro__)]
    return found or [name]


# Trackers


def tracker_groups() -> Iterator[Group]:
    """The settings of trackers, which are given within the text of `--watch`."""
    for kind in TRACKERS.rows.values():
        settings = _settings(kind, dict.fromkeys(kind.model_fields), ".".join)
        about = (first_paragraph(sys.modules[kind.__module__].__doc__), first_paragraph(kind.__doc__))
        yield Group(kind.__name__, "tracker", about, f'--watch "{_call(kind, settings)}"', settings)


# Recipes


def recipe_groups(whole: type[Settings], model: type[Settings] | None = None, path: Path = ()) -> Iterator[Group]:
    """The settings of a recipe, or of a model within it: those that are no groups, then the groups and the parts in the
    order of its fields.
    """
    model = model or whole
    known = model.model_fields
    groups = {name: field.annotation for name, field in known.items() if _is_group(field)}
    places = {name: (*path, name) for name in known if name not in groups}
    key = functools.partial(_recipe_key, whole)
    name = ".".join(path) or "recipe"
    example = f"{name}.{next(iter(places))}=..." if path else ""
    yield Group(name, "", (first_paragraph(model.__doc__),), example, _settings(model, places, key))
    for name, field in known.items():
        if name in groups:
            yield from recipe_groups(whole, groups[name], (*path, name))  # type: ignore[arg-type]
        for held in field.metadata:
            if isinstance(held, OneOf | SomeOf):
                yield from (_recipe_part(kind, (*path, name), held, key) for kind in held.table.rows.values())


def _is_group(field: FieldInfo) -> bool:
    kind = field.annotation
    return isinstance(kind, type) and issubclass(kind, Settings) and not issubclass(kind, RecipePart)


def _recipe_part(kind: type[RecipePart], path: Path, held: OneOf | SomeOf, key: Callable[[Path], str]) -> Group:
    inner = path if isinstance(held, OneOf) else (*path, kind.__name__)
    places = {name: (*inner, name) for name in kind.model_fields}
    settings = _settings(kind, places, key)
    about = (first_paragraph(sys.modules[kind.__module__].__doc__), first_paragraph(kind.__doc__))
    return Group(kind.__name__, path[-1], about, f"{path[-1]}={_call(kind, settings)}", settings)


def _recipe_key(whole: type[Settings], path: Path) -> str:
    """The shortest name that finds a setting of a recipe."""
    for short in short_names(path):
        try:
            if find_setting(whole, ".".join(short)) == path:
                return ".".join(short)
        except RequestError:  # several parts have it
            continue
    return ".".join(path)


# Networks


def network_groups() -> Iterator[Group]:
    """The kinds of networks in the order of `cardinet list`, then the parts of networks."""
    first: list[Any] = [type(row.spec) for row in NETWORKS.values()]
    wholes = dict.fromkeys([*first, *(kind for kind in PARTS.values() if kind.ROLE == "network")])
    for kind in wholes:
        settings = _settings(kind, {name: (name,) for name in _names(kind)}, _network_key)
        named = [id for id, row in NETWORKS.items() if type(row.spec) is kind]
        example = ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
        yield Group(kind.__name__, "network", (first_paragraph(kind.__doc__),), example, _below_network(settings))
    for kind in PARTS.values():
        if kind.ROLE != "network":
            yield _network_part(kind)


def _network_part(kind: type[Part]) -> Group:
    places = _places_of(kind)
    first = places[0] if places else None
    settings = _settings(kind, {name: first and (*first, name) for name in _names(kind)}, _network_key)
    role = kind.ROLE or (first[-1] if first else "")
    about = (first_paragraph(kind.__doc__),)
    example = _call(kind, settings)
    return Group(kind.__name__, role, about, f"{role}={example}" if first else example, _below_network(settings))


def _below_network(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """The settings with the path that they have in a recipe."""
    return tuple(s if s.path is None else replace(s, path=f"network.{s.path}") for s in settings)


def _names(kind: Any) -> Iterable[str]:
    names: dict[str, FieldInfo] = kind.__pydantic_fields__
    return names


def _places() -> Mapping[str, Mapping[Path, frozenset[str]]]:
    return _places_among(tuple(PARTS.values()))


@functools.cache
def _places_among(kinds: tuple[type[Part], ...]) -> Mapping[str, Mapping[Path, frozenset[str]]]:
    """By kind of network, the parts that may stand at each path in it; the empty path is the network itself."""

    def within(kind: str, path: Path) -> Iterator[tuple[Path, str]]:
        yield path, kind
        for name, schema in shapes[kind].items():
            for part in {part for held in parts_in(schema, listed=False) for part in _kinds(name, held)}:
                yield from within(part, (*path, name))

    shapes = {kind.__name__: schemas(kind) for kind in kinds}
    found: dict[str, dict[Path, frozenset[str]]] = {}
    for whole in (kind.__name__ for kind in kinds if kind.ROLE == "network"):
        places: dict[Path, frozenset[str]] = {}
        for path, kind in within(whole, ()):
            places[path] = places.get(path, frozenset()) | {kind}
        found[whole] = places
    return found


def _places_of(kind: type[Part]) -> list[Path]:
    """The paths in networks where this part may be."""
    name = kind.__name__
    return sorted({path for places in _places().values() for path, kinds in places.items() if name in kinds})


def _network_key(path: Path) -> str:
    """The shortest name that means this field in every network that has it, and no setting of a recipe."""
    ends = [path[start:] for start in range(len(path) - 1, -1, -1)]
    clear = [end for end in ends if all(_found(places, end) in ([], [path]) for places in _having(path))]
    free = [end for end in clear if end[0] not in _words_of_recipes()]
    return ".".join(free[0]) if free else ".".join(("network", *clear[0]))


@functools.cache
def _words_of_recipes() -> frozenset[str]:
    return frozenset(name for place in setting_paths(Recipe) for name in place)


def _having(path: Path) -> Iterator[Mapping[Path, frozenset[str]]]:
    """The networks that have a field."""
    for places in _places().values():
        if any(path[-1] in _names(PARTS[kind]) for kind in places.get(path[:-1], ())):
            yield places


def _found(places: Mapping[Path, frozenset[str]], key: Path) -> list[Path]:
    """The fields of a network that a key means, as its description reads it (`networks.delta`)."""
    paths = [
        (*path, key[-1])
        for path, kinds in places.items()
        if any(key[-1] in _names(PARTS[kind]) for kind in kinds) and (*path, key[-1])[-len(key) :] == key
    ]
    return [path for path in paths if len(path) == 1] or paths
