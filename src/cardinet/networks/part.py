"""Parts: the pieces of a network's description. They are frozen, take keywords only and do not import torch.

A part checks the type and range of its fields when it is made. It names its class in `blocks/` as text (`MODULE`) and
carries its own rules. `document` writes a part as plain data and reads it back, so that a model file can hold it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from math import gcd
from typing import Any, ClassVar, Protocol, Self, TypeGuard, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from cardinet.base.errors import RequestError
from cardinet.base.settings import to_request_error

PartClass = TypeVar("PartClass", bound=type)
_CONFIG = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)


class Part(Protocol):
    """The questions that every part answers, with the default answers.

    Cardinet's parts derive from it. `@part` adds the missing answers to any other class, so such a class needs only
    its fields and `MODULE`.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]  # `@part` makes every one a dataclass

    MODULE: ClassVar[str] = ""
    """The class that implements it, in `blocks/` ("gates:SqueezeExcite") or elsewhere ("lab.gates:Mine"), if any."""

    ROLE: ClassVar[str] = ""
    """The field of a description that it can fill; empty: any field."""

    TRAINING: ClassVar[frozenset[str]] = frozenset()
    """The fields that act only in initialisation or training, not on what the trained network computes."""

    FORMER: ClassVar[frozenset[str]] = frozenset()
    """Fields of earlier versions, without effect on what is computed; a document may still have them."""

    WITHOUT: ClassVar[Mapping[str, str]] = {}
    """Settings that other parts of its role have and it cannot have, each with the reason."""

    def problems(self) -> list[str]:
        """Its faults: settings that contradict each other, one sentence each."""
        return []

    def idle(self, other: Self) -> frozenset[str]:
        """The fields, by dotted path, that have no effect in this part nor in `other`, a part of the same class."""
        return frozenset()

    def hinders_new_units(self, *, drawing: bool) -> list[str]:
        """Why a new unit with this part and a branch of zeros would not be the identity, or could not learn.

        One sentence for each reason. `drawing` says that the network still has its random rules of training.
        """
        return []

    # Only for a part in the place of a spatial convolution:

    ACTIVATED: ClassVar[bool] = False
    """Whether it ends in its own BN and ReLU."""

    BRANCHED: ClassVar[bool] = False
    """Whether it consists of `cardinality` equal branches that share no weights."""

    @property
    def cardinality(self) -> int:
        """The number of its groups."""
        return 1

    @property
    def kernels_side_by_side(self) -> int:
        """The number of convolutions side by side that read the same map (selective kernels)."""
        return 1

    @property
    def transforms(self) -> int:
        """The number of aggregated transforms: the groups of each of its convolutions."""
        return self.cardinality

    def undivided(self, before: Iterable[int], after: Iterable[int]) -> list[str]:
        """A sentence for the channels before it, and one for those after it, that its groups do not divide."""
        groups = self.cardinality
        asked = f"cardinality = {groups}"
        return [
            *not_divided(asked, groups, before, "before the spatial convolution"),
            *not_divided(asked, groups, after, "after the spatial convolution"),
        ]

    # Only for a shortcut:

    @property
    def absent(self) -> bool:
        """Whether no unit has a shortcut."""
        return False

    @property
    def pads(self) -> bool:
        """Whether it adds channels of zeros where a stage has more channels than the stage before it."""
        return False

    def projections(self, *, keeps_shape: bool) -> int | None:
        """The layers with weights on the shortcut of a unit; None if the unit has no shortcut."""
        return 0

    def problems_along(self, streams: Sequence[int]) -> list[str]:
        """Faults for these channels, which enter the first stage and leave each stage; one sentence each."""
        return []

    # Only for a carry, which weighs a shortcut:

    @property
    def passes(self) -> bool:
        """Whether any of the shortcut passes."""
        return True

    # Only for a merge, which joins shortcut and branch:

    JOINS: ClassVar[bool] = True
    """Whether it needs both a shortcut and a branch."""

    CLOSES: ClassVar[bool] = False
    """Whether it closes whole units; a closed unit is only its shortcut."""

    @property
    def plain_when_tested(self) -> bool:
        """Whether it is the plain sum of shortcut and branch in eval mode."""
        return True


def not_divided(asked: str, groups: int, channels: Iterable[int], place: str) -> list[str]:
    """A sentence if some of the channels at a place are not a multiple of the requested groups."""
    wrong = sorted({width for width in channels if width % groups})
    return [f"{asked} does not divide the {wrong} channels {place}; use {gcd(groups, *wrong)}."] if wrong else []


PARTS: dict[str, type[Part]] = {}
"""Every class of parts by its name in a document."""

SHORTHANDS: dict[str, Mapping[str, Any]] = {}
"""Short words for the values of some fields, by the field's name: order "e" is the full pre-activation unit."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def part(cls: PartClass) -> PartClass:
    """Make a class a part: a frozen, checked, keyword-only dataclass with the answers of `Part`, listed in `PARTS`."""
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
"""An example of a part for every role in a network."""


def is_part(value: object) -> TypeGuard[Part]:
    """Whether a value is a part, and not a class of parts."""
    return is_dataclass(value) and not isinstance(value, type)


def misplaced(parts: Mapping[str, Any], optional: Collection[str] = ()) -> list[str]:
    """A sentence for every role whose value is not a part, or is a part for another role.

    A part without a `ROLE`, such as one from another package, may fill any role.
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
                f"{role} = {kind}: it is a part for {value.ROLE}; give another part, such as {role}={EXAMPLES[role]}."
            )
    return found


def field_paths(node: Any, name: str, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of the fields called `name` in a part and in the parts within it."""
    for f in fields(node):
        value = getattr(node, f.name)
        if f.name == name:
            yield (*path, name)
        if is_dataclass(value):
            yield from field_paths(value, name, (*path, f.name))


def field_names(node: Any) -> Iterator[str]:
    """The names of all fields of a part and of the parts within it."""
    for f in fields(node):
        yield f.name
        value = getattr(node, f.name)
        if is_dataclass(value):
            yield from field_names(value)


def make_part(make: Callable[..., Any], values: Mapping[str, Any], kind: Any, where: str = "") -> Any:
    """A part from its values. Raises RequestError with all faults of the values.

    True in the place of a number is one: Python would take it for 1.
    """
    numbers = {f.name for f in fields(kind) if not re.search(r"\b(bool|Any)\b", str(f.type))}
    truths = [name for name, value in values.items() if name in numbers and _holds_truth(value)]
    made, faults = None, []
    try:
        made = make(**values)
    except ValidationError as error:
        faults = [*to_request_error(error, [f.name for f in fields(kind)], where).findings]
    for name in truths:
        if not any(fault.startswith(f"{where}{name}") for fault in faults):
            faults.append(f"{where}{name} = {values[name]}: Input should be a number, not true or false.")
    if faults:
        raise RequestError(*faults)
    return made


def _holds_truth(value: Any) -> bool:
    return any(_holds_truth(item) for item in value) if isinstance(value, list | tuple) else isinstance(value, bool)
