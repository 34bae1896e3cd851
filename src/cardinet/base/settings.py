"""Typed settings: values from text, short names, deltas, and errors that name the nearest key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from types import NoneType
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from cardinet.base.documents import Bounds, DocumentError, OutOfBounds, parse_toml
from cardinet.base.errors import EVERY_SETTING, RequestError
from cardinet.base.synonyms import setting_hint
from cardinet.base.terminal_text import SHOWN

M = TypeVar("M", bound=BaseModel)

KEY = "part"
"""The word that names a part in a document: `{"part": "SGD", "lr": 0.1}`."""

TYPED = Bounds(size=2**20, finite=False)
"""Bounds of a value from the command line. inf and nan pass here, so that the schema can refuse them by name."""


class Settings(BaseModel):
    """A frozen group of settings. Unknown keys are errors, and every error of a document is reported at once."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, protected_namespaces=()
    )

    @field_validator("*", mode="before")
    @classmethod
    def _read_none(cls, value: Any, info: ValidationInfo) -> Any:
        """The word none as None where a setting may be that: TOML has no other way to write it."""
        if isinstance(value, str) and value.lower() == "none" and info.field_name is not None:
            kind = cls.model_fields[info.field_name].annotation
            return None if NoneType in get_args(kind) else value
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true where a number is meant: Python would take it for 1."""
        members = value if isinstance(value, list | tuple) else (value,)
        if info.field_name is not None and any(isinstance(member, bool) for member in members):
            kinds = _kinds_within(cls.model_fields[info.field_name].annotation)
            if kinds & {int, float} and bool not in kinds:
                raise PydanticCustomError("number", "Input should be a number, not true or false")
        return value


def _kinds_within(kind: Any) -> set[Any]:
    """A type and all types that it is made of, as in `tuple[Annotated[float, ...], ...] | None`."""
    return {kind}.union(*(_kinds_within(inner) for inner in get_args(kind) if not isinstance(inner, str)))


def parse_value(text: str) -> Any:
    """A value from the command line: TOML's value (2000, 0.1, true, [1, 2]) if the text is TOML, else the text.

    A list may stand without brackets: `3,4,6,3`. Raises RequestError for a value beyond the bounds of `TYPED`.
    """
    for candidate in (text, f"[{text}]" if "," in text else text):
        try:
            document = parse_toml(f"value = {candidate}", TYPED)
        except OutOfBounds as error:
            value = _short(text).replace("'", "")
            raise RequestError(f"{value}: {str(error).removeprefix('value: ')}.") from None
        except DocumentError:
            continue
        if len(document) == 1:  # else the text has further lines with keys
            return document["value"]
    return text


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """A mapping from `key=value` words. Raises RequestError for a word without `=` and for a key given twice."""
    values: dict[str, Any] = {}
    wrong = []
    for word in assignments:
        key, equals, text = word.partition("=")
        key = key.strip()
        if not equals or not key:
            wrong.append(f'--set "{word}": write it as key=value.')
        elif key in values:
            wrong.append(f'--set "{key}" is given twice; give it once.')
        else:
            try:
                values[key] = parse_value(text.strip())
            except RequestError as error:
                wrong += [f"{key} = {finding}" for finding in error.findings]
    if wrong:
        raise RequestError(*wrong)
    return values


def parse_group(assignments: Iterable[str], group: str) -> dict[str, Any]:
    """A mapping from the `key=value` words of one group; `data.limit=30` and `limit=30` mean the same for `data`.

    Raises RequestError as `parse_assignments` does.
    """
    return parse_assignments([word.strip().removeprefix(f"{group}.") for word in assignments])


class Nested:
    """An annotation of a field that holds settings of its own, which the field's type does not show."""

    def paths(self) -> Iterator[tuple[str, ...]]:
        """The paths of the settings within the field; the empty path is the whole field."""
        raise NotImplementedError


def setting_paths(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all settings of a model, nested groups included."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        nested = next((item for item in field.metadata if isinstance(item, Nested)), None)
        if nested is not None:
            yield from ((*path, name, *inner) for inner in nested.paths())
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from setting_paths(kind, (*path, name))
        else:
            yield (*path, name)


def short_names(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The ends of a path that may be used instead of it, the shortest first; see `find_setting`."""
    starts = range(len(path) - 1, -1, -1)
    yield from (path[start:] for start in starts if not (start and path[start - 1][:1].isupper()))


def find_setting(model: type[BaseModel], key: str) -> tuple[str, ...]:
    """The path of the setting that `key` names: by a dotted path, or by a short name that exactly one group has.

    The settings of a part in a list of parts need the part's name too ("Flip.probability"): a short name would add the
    part to a recipe without it. Raises RequestError with the nearest names for an unknown key, and with all owners
    for an ambiguous key.
    """
    paths = list(setting_paths(model))
    if (path := path_meant(key, paths, f'The setting "{key}" is in several places')) is not None:
        return path
    names = dict.fromkeys([".".join(p) for p in paths] + [p[-1] for p in paths])
    raise RequestError(f'There is no setting "{key}" ({setting_hint(key, names)}).{EVERY_SETTING}')


def path_meant(key: str, paths: Iterable[tuple[str, ...]], several: str) -> tuple[str, ...] | None:
    """The one of some paths that a key means: itself, else the one with that short name; None where there is none.

    Raises RequestError where it is ambiguous; `several` begins the sentence that names them all.
    """
    wanted = tuple(key.split("."))
    ending = [path for path in paths if wanted in short_names(path)]
    found = [path for path in ending if path == wanted] or ending
    if len(found) > 1:
        raise RequestError(f"{several}; name one: {', '.join('.'.join(path) for path in found)}.")
    return found[0] if found else None


def put(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value at a path of nested mappings, in place."""
    for name in path[:-1]:
        document = document.setdefault(name, {})
    document[path[-1]] = value


def merge(base: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `base` with the changes of `delta`: groups are merged; values, and parts of another name, replaced.

    A list of parts stays a list if the delta changes some of its parts by name.
    """
    merged = dict(base)
    for key, value in delta.items():
        before = merged.get(key)
        if isinstance(value, Mapping) and isinstance(before, list) and all(isinstance(v, Mapping) for v in before):
            merged[key] = _merged_parts(before, value)
            continue
        if isinstance(value, Mapping) and isinstance(before, Mapping) and value.get(KEY) in (None, before.get(KEY)):
            value = merge(before, value)
        merged[key] = value
    return merged


def _merged_parts(parts: list[Any], delta: Mapping[str, Any]) -> Any:
    """The list of parts with the changes of `delta`; `delta` itself if it does not change parts by name."""
    changes = {name: {KEY: name, **v} if isinstance(v, Mapping) else v for name, v in delta.items()}
    if KEY in delta or not all(v == "none" or isinstance(v, Mapping) for v in changes.values()):
        return delta
    merged = merge({str(part.get(KEY)): part for part in parts}, changes)
    return [part for part in merged.values() if part != "none"]


def tag(name: str) -> str:
    """Mark the name of a part in the location of a pydantic error; `to_request_error` omits it from the message."""
    return f"<{name}>"


def is_tag(word: str | int) -> bool:
    """Whether a word of an error's location is a `tag`."""
    return isinstance(word, str) and word.startswith("<") and word.endswith(">")


def to_request_error(error: ValidationError, known: list[str], where: str = "", noun: str = "setting") -> RequestError:
    """A validation error as findings: each has the setting, its value, the fault and, for a wrong key, the nearest one.

    `where` ("data.") is the place of the document in a larger one; `noun` is the word for its entries.
    """
    findings = []
    items = error.errors()
    wrong = {item["loc"][:-1] for item in items}  # pydantic also calls a tuple with a wrong member too short
    for item in items:
        if item["type"] == "too_short" and item["loc"] in wrong:
            continue
        name = ".".join(str(word) for word in item["loc"] if not is_tag(word))
        place = f"{where}{name}" if name else where.rstrip(".")  # an error of a whole group has no name
        if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            hint = setting_hint(name, known)
            pointer = EVERY_SETTING if noun == "setting" else ""
            findings.append(f'There is no {noun} "{place}" ({hint}).{pointer}')
        elif item["type"] in ("missing", "missing_keyword_only_argument"):
            findings.append(f'The {noun} "{place}" is missing.')
        else:
            message = item["msg"].removeprefix("Value error, ").rstrip(".")
            if item["type"] == "tuple_type":
                message = f"Input should be a list, such as {_as_list(item['input'])}"
            value = "" if _is_group(item["input"]) or not name else f" = {_short(item['input'])}"
            findings.append(f"{place}{value}: {message}." if place else f"{message}.")
    return RequestError(*findings)


def _is_group(value: Any) -> bool:
    """Whether a value is a group of settings or a list of parts, which is too long for a message."""
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict) for v in value))


def _as_list(value: Any) -> str:
    """What was perhaps meant, as a list: the words of a text, or an example."""
    words = value.strip("()[]").split(",") if isinstance(value, str) and len(value) <= SHOWN else []
    return json.dumps([word.strip(" \"'") for word in words]) if len(words) > 1 else "[3, 4, 6, 3]"


def _short(value: Any) -> str:
    """A value as text for a message, cut if it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def validate(model: type[M], document: Mapping[str, Any], where: str = "") -> M:
    """The settings in a document; `where` ("data.") is its place in a larger one.

    Raises RequestError with all findings.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        known = dict.fromkeys([*(".".join(path) for path in setting_paths(model)), *model.model_fields])
        raise to_request_error(error, list(known), where) from None
