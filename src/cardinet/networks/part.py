"""Parts: the frozen, keyword-only, torch-free pieces from which a network is described.

A part checks the type and range of its fields when it is made, names its class in `blocks/` as text (`MODULE`), and
carries its own rules. `document` writes it as plain data and reads it back, so that a description travels in a model
file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from math import gcd
from typing import Any, ClassVar, Protocol, Self, TypeGuard, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from cardinet.base.settings import to_request_error

PartClass = TypeVar("PartClass", bound=type)
_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


class Part(Protocol):
    """What a part can be asked, with the answers of one that says nothing.

    Our parts derive from it. To a class from outside `@part` gives the answers that it lacks, so that `MODULE` and its
    fields are enough.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]  # `@part` makes every one a dataclass

    MODULE: ClassVar[str] = ""
    """Its class in `blocks/` ("gates:SqueezeExcite") or elsewhere ("lab.gates:Mine"); empty where it has none."""

    ROLE: ClassVar[str] = ""
    """The field of a description for which it is made; empty: any."""

    TRAINING: ClassVar[frozenset[str]] = frozenset()
    """The fields that act only while a network is drawn or trained, and not on what it computes afterwards."""

    WITHOUT: ClassVar[Mapping[str, str]] = {}
    """Settings of others of its role that make no sense in it, each with the reason."""

    def problems(self) -> list[str]:
        """What has no meaning in it, one sentence each."""
        return []

    def idle(self, other: Self) -> frozenset[str]:
        """The fields, by dotted paths, that have no effect in this part and none in another one of its kind."""
        return frozenset()

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        """Why a new unit with this part, its branch zero, would not be the identity or could not learn.

        One sentence each. With `drawing` the network still has the rules that draw in training.
        """
        return []

    # What stands in the place of a spatial convolution is asked:

    ACTIVATED: ClassVar[bool] = False
    """It ends in BN and ReLU of its own."""

    BRANCHED: ClassVar[bool] = False
    """It is `cardinality` equal branches, which share nothing."""

    @property
    def cardinality(self) -> int:
        """Its groups."""
        return 1

    def undivided(self, before: Iterable[int], after: Iterable[int]) -> list[str]:
        """The channels before and after it that its groups do not divide, one sentence each."""
        groups = self.cardinality
        asked = f"cardinality = {groups}"
        return [
            *not_divided(asked, groups, before, "before the spatial convolution"),
            *not_divided(asked, groups, after, "after the spatial convolution"),
        ]

    # A shortcut is asked:

    @property
    def absent(self) -> bool:
        """Whether there is no way around any unit."""
        return False

    @property
    def pads(self) -> bool:
        """Whether it adds channels of zeros where a stage has more than the one before it."""
        return False

    def problems_along(self, streams: Sequence[int]) -> list[str]:
        """What has no meaning in the channels that enter the first stage and leave each, one sentence each."""
        return []

    # What weighs a shortcut is asked:

    @property
    def passes(self) -> bool:
        """Whether anything of the shortcut comes through."""
        return True

    # What joins shortcut and branch is asked:

    JOINS: ClassVar[bool] = True
    """It has a meaning only where there are two sides to join."""

    CLOSES: ClassVar[bool] = False
    """It closes whole units; a closed unit is its shortcut alone."""

    @property
    def plain_when_tested(self) -> bool:
        """Whether it is the sum of both sides once the network is trained."""
        return True


def not_divided(asked: str, groups: int, channels: Iterable[int], place: str) -> list[str]:
    """A sentence where some of the channels at a place are no multiple of the groups that were asked for."""
    wrong = sorted({width for width in channels if width % groups})
    return [f"{asked} does not divide the {wrong} channels {place}; use {gcd(groups, *wrong)}."] if wrong else []


PARTS: dict[str, type[Part]] = {}
"""Every kind of part by its name, as it stands in a document."""

SHORTHANDS: dict[str, Mapping[str, Any]] = {}
"""Short words for the values of some fields, by the field's name: order "e" is the full pre-activation unit."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def part(cls: PartClass) -> PartClass:
    """Make a class a part: frozen, keyword-only, typed, known by its name in documents, with the answers of `Part`."""
    made = dataclass(frozen=True, kw_only=True, config=_CONFIG)(cls)
    own = {f.name for f in fields(made)}
    for name, answer in vars(Part).items():
        if not (name.startswith("_") or name in own or hasattr(made, name)):
            setattr(made, name, answer)
    PARTS[cls.__name__] = made  # type: ignore[assignment]
    return made  # type: ignore[return-value]


EXAMPLES = {
    "stem": "Stem()",
    "shortcut": "Shortcut()",
    "carry": "Scaled()",
    "gate": "SqueezeExcite(reduction=16)",
    "merge": "Add()",
    "levels": "Levels()",
    "spatial": "Grouped(cardinality=32)",
    "norm": "LocalResponse()",
}
"""A part for every role that one can have in a network."""


def is_part(value: object) -> TypeGuard[Part]:
    """Whether a value is a part itself, and not its class."""
    return is_dataclass(value) and not isinstance(value, type)


def misplaced(parts: Mapping[str, Any], optional: Collection[str] = ()) -> list[str]:
    """A sentence for every role that something fills which is no part, or one for another role.

    A part that does not say its `ROLE`, as it may come from outside, may stand anywhere.
    """
    found = []
    for role, value in parts.items():
        if value is None and role in optional:
            continue
        if not is_part(value) or not value.MODULE:
            value = value.__name__ if isinstance(value, type) else repr(value)
            found.append(f"{role} = {value}: give a part, such as {role}={EXAMPLES[role]}.")
        elif value.ROLE not in ("", role):
            kind = type(value).__name__
            found.append(
                f"{role} = {kind}: it is for {value.ROLE}; give another part, such as {role}={EXAMPLES[role]}."
            )
    return found


def owners(node: Any, name: str, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of the fields called `name` in a part and in the parts within it."""
    for f in fields(node):
        value = getattr(node, f.name)
        if f.name == name:
            yield (*path, name)
        if is_dataclass(value):
            yield from owners(value, name, (*path, f.name))


def names(node: Any) -> Iterator[str]:
    """The names of all fields of a part and of the parts within it."""
    for f in fields(node):
        yield f.name
        value = getattr(node, f.name)
        if is_dataclass(value):
            yield from names(value)


def made(make: Callable[..., Any], values: Mapping[str, Any], kind: Any, where: str = "") -> Any:
    """A part from its values. Raises RequestError with everything that is wrong in them."""
    try:
        return make(**values)
    except ValidationError as error:
        raise to_request_error(error, [f.name for f in fields(kind)], where) from None
