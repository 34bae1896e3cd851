"""Parts of a recipe, such as an optimizer: a part is a class, and the folder of its kind holds its file."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import GetCoreSchemaHandler, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from cardinet.base.errors import EVERY_SETTING, Findings, RequestError, nearest
from cardinet.base.part_text import arguments, read_call
from cardinet.base.settings import KEY, Nested, Settings, parse_assignments, tag, validate


class RecipePart(Settings):
    """One choice of a kind. Its fields are settings. Documents and text call it by the name of its class."""


P = TypeVar("P", bound=RecipePart)


class Table(Generic[P]):
    """All parts of one kind, sorted by name: the subclasses of `kind` in the modules of a package.

    A new part is one new file in that folder. `noun` is the word for one part in messages.
    """

    def __init__(self, kind: type[P], package: str, noun: str) -> None:
        self.kind = kind
        self.package = package
        self.noun = noun

    @functools.cached_property
    def rows(self) -> Mapping[str, type[P]]:
        """The classes by name. The first access imports their modules."""
        folder = importlib.import_module(self.package).__path__
        found: dict[str, type[P]] = {}
        for module in pkgutil.iter_modules(folder, f"{self.package}."):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, self.kind) and value.__module__ == module.name:
                    found[value.__name__] = value
        return dict(sorted(found.items()))

    def document(self, value: Any, default: str = "") -> Any:
        """The mapping that describes a part. Text is parsed; a mapping without a name gets the name `default`.

        Any other value is returned unchanged. Raises RequestError for text that names no part or cannot be parsed.
        """
        if isinstance(value, RecipePart):
            return to_document(value)
        if isinstance(value, Mapping):
            return value if KEY in value or not default else {KEY: default, **value}
        if not isinstance(value, str):
            return value
        call = read_call(value)
        if call is None or call[0] not in self.rows:
            name = value if call is None else call[0]
            example = next(iter(self.rows))
            if call is None and (begun := value.partition("(")[0].strip()) in self.rows:
                raise RequestError(f"{value}: brackets are open or misplaced; write it as in {begun}(...).")
            raise RequestError(
                f'There is no {self.noun} "{name}" ({nearest(name, self.rows)}). Write it as in {example}(...).'
                f"{EVERY_SETTING}"
            )
        words = call[1] or []
        if any("=" not in word for word in words):
            field = next(iter(self.rows[call[0]].model_fields), "name")
            raise RequestError(f"{value}: name every value, and put lists in brackets, as in {call[0]}({field}=...).")
        return {KEY: call[0], **parse_assignments(words)}

    def check_name(self, document: Any) -> None:
        """Raise RequestError if a document describes no part of this kind."""
        if not isinstance(document, Mapping):
            raise RequestError(f"Write it as in {next(iter(self.rows))}(...).")
        if KEY not in document:
            raise RequestError(f'Which {self.noun} is it? Name it, as in {KEY} = "{next(iter(self.rows))}".')
        name = document[KEY]
        if not isinstance(name, str) or name not in self.rows:
            raise RequestError(f'There is no {self.noun} "{name}" ({nearest(str(name), self.rows)}).{EVERY_SETTING}')

    def owned_by_others(self, name: str, key: str) -> str | None:
        """The finding on a setting that the part `name` lacks and other parts of the kind have; None if none has it."""
        owners = [other for other, row in self.rows.items() if key in row.model_fields]
        return f"{name} has no {key}, which belongs to {' and '.join(owners)}.{EVERY_SETTING}" if owners else None


def to_document(part: RecipePart) -> dict[str, Any]:
    """A part as plain data."""
    return {KEY: type(part).__name__, **part.model_dump(mode="json")}


@contextmanager
def _told() -> Iterator[None]:
    """Turn a RequestError into pydantic's error of the current field, so that all fields are reported together."""
    try:
        yield
    except RequestError as error:
        raise PydanticCustomError("part", "{text}", {"text": " ".join(error.findings).rstrip(".")}) from None


def _schema(table: Table[Any], handler: GetCoreSchemaHandler, default: str = "") -> core_schema.CoreSchema:
    """A schema that accepts a part, its document or its text. It reports every wrong field at its place."""

    def read(value: Any) -> Any:
        with _told():
            document = table.document(value, default)
            table.check_name(document)
        return value if isinstance(value, table.kind) else document

    choices = {tag(name): _fields(handler(row), table, name) for name, row in table.rows.items()}
    tagged = core_schema.tagged_union_schema(choices, _name_of)
    return core_schema.no_info_before_validator_function(
        read, tagged, serialization=core_schema.plain_serializer_function_ser_schema(to_document)
    )


def _name_of(value: Any) -> str | None:
    return tag(type(value).__name__ if isinstance(value, RecipePart) else value[KEY])


def _fields(schema: core_schema.CoreSchema, table: Table[Any], name: str) -> core_schema.CoreSchema:
    """The schema of the part `name`, for a document that still has the part's name in it.

    Of a setting that belongs to another part its error says so, beside all other errors of the document.
    """

    def line(error: ErrorDetails) -> InitErrorDetails:
        kind, text, place = error["type"], error["msg"], error["loc"]
        unknown = kind == "extra_forbidden" and len(place) == 1
        if unknown and (finding := table.owned_by_others(name, str(place[0]))) is not None:
            return {"type": PydanticCustomError("part", "{text}", {"text": finding}), "loc": (), "input": {}}
        return {"type": PydanticCustomError(kind, "{text}", {"text": text}), "loc": place, "input": error["input"]}

    def read(value: Any, handler: core_schema.ValidatorFunctionWrapHandler) -> Any:
        document = {k: v for k, v in value.items() if k != KEY} if isinstance(value, Mapping) else value
        try:
            return handler(document)
        except ValidationError as error:
            raise ValidationError.from_exception_data(error.title, [line(item) for item in error.errors()]) from None

    return core_schema.no_info_wrap_validator_function(read, schema)


@dataclass(frozen=True)
class OneOf(Nested):
    """A field that holds one part, as in `Annotated[Optimizer, OneOf(OPTIMIZERS, "SGD")]`.

    A document without a name describes the part `default`.
    """

    table: Table[Any]
    default: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return _schema(self.table, handler, self.default)

    def expanded(self, value: Any) -> Any:
        """A part that is written as text becomes a document, so that a delta can be merged into it."""
        return self.table.document(value) if isinstance(value, str) else value

    def paths(self) -> Iterator[tuple[str, ...]]:
        """The path of the part itself, and the settings of every part that the field can hold."""
        fields = (field for row in self.table.rows.values() for field in row.model_fields)
        yield from dict.fromkeys([(), *((field,) for field in fields)])


@dataclass(frozen=True)
class SomeOf(Nested):
    """A field that holds parts of one kind by name, each at most once: a mapping `{"Flip": Flip(...)}`.

    It accepts such a mapping, whose values may omit the part's name, a list of parts, or text with commas between the
    parts. The value None, or the word none, removes a part.
    """

    table: Table[Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        item = _schema(self.table, handler)

        def read(value: Any) -> Any:
            with _told():
                return self.documents(value)

        mapping = core_schema.dict_schema(core_schema.str_schema(), item)
        return core_schema.no_info_before_validator_function(read, mapping)

    def expanded(self, value: Any) -> Any:
        """Documents in place of parts that are written as text.

        A list stays a list, and a mapping a mapping: a list states all parts, a mapping changes some of them.
        """
        if isinstance(value, str):
            if not value.strip():
                raise RequestError(f"There is no {self.table.noun} in an empty text; write none to have none.")
            return self._of_words(arguments(value)) if value.lower() != "none" else []
        if isinstance(value, Mapping):
            return {
                name: self.table.document(item) if isinstance(item, str) and item.lower() != "none" else item
                for name, item in value.items()
            }
        return value

    def _of_words(self, words: list[str]) -> list[Any]:
        """The documents of parts that are written as text. Raises RequestError if one is none, with what else is
        wrong in the others.
        """
        found, findings = list[Any](), Findings()
        for word in words:
            with findings:
                found.append(self.table.document(word))
        if findings:
            for item in found:
                with findings:
                    settings = {key: value for key, value in item.items() if key != KEY}
                    validate(self.table.rows[item[KEY]], settings, f"{item[KEY]}.")
        findings.raise_if_any()
        return found

    def paths(self) -> Iterator[tuple[str, ...]]:
        """The path of all parts together, of each part, and of each part's settings."""
        yield ()
        for name, row in self.table.rows.items():
            yield from [(name,), *((name, field) for field in row.model_fields)]

    def documents(self, value: Any) -> Any:
        """The documents of some parts as one mapping by name, in the order of the table."""
        value = self.expanded(value)
        if isinstance(value, list | tuple):
            items = [self.table.document(item) for item in value]
            names = [item.get(KEY) if isinstance(item, Mapping) else None for item in items]
            if twice := {str(name) for name in names if names.count(name) > 1}:
                raise RequestError(f"{', '.join(sorted(twice))} is given twice; give it once.")
            for item in items:
                if not isinstance(item, Mapping) or KEY not in item:
                    self.table.check_name(item)  # an unknown name is a finding beside those of the other parts
            value = dict(zip(map(str, names), items, strict=True))
        if not isinstance(value, Mapping):
            raise RequestError(f"Write it as in {next(iter(self.table.rows))}(...), or none.")
        kept = {name: self.table.document(v, name) for name, v in value.items() if v is not None and v != "none"}
        for name, item in kept.items():
            if name in self.table.rows and not isinstance(item, Mapping):
                field = next(iter(self.table.rows[name].model_fields), "")
                raise RequestError(f"{name} = {item!r}; write it as in {name}({field}=...).")
            if isinstance(item, Mapping) and item.get(KEY, name) != name:
                raise RequestError(f'"{name}" holds the {self.table.noun} {item[KEY]}; write it under its own name.')
        known = [name for name in self.table.rows if name in kept]
        return {name: kept[name] for name in (*known, *(name for name in kept if name not in known))}


def expanded(model: type[Settings], document: Mapping[str, Any], *, named: bool = False) -> dict[str, Any]:
    """A document of settings with a mapping for every part, so that a delta can be merged into it.

    With `named` a part without a name gets the default name; otherwise a delta could change the part unnoticed.
    Raises RequestError for text that describes no part.
    """
    found, findings = dict(document), Findings()
    for name, value in document.items():
        field = model.model_fields.get(name)
        if field is None:
            continue
        nested = next((item for item in field.metadata if isinstance(item, OneOf | SomeOf)), None)
        group = isinstance(field.annotation, type) and issubclass(field.annotation, Settings)
        with findings:
            if nested is not None:
                found[name] = nested.expanded(value)
                if not isinstance(found[name], Mapping | RecipePart | list | tuple):
                    raise RequestError(f"{name} = {value!r}: Write it as in {next(iter(nested.table.rows))}(...).")
            if named and isinstance(nested, OneOf) and isinstance(found[name], Mapping):
                found[name] = {KEY: nested.default, **found[name]}
            if nested is None and group and not isinstance(value, Mapping | Settings):
                raise RequestError(f"{name} = {value!r}: It is a group; write its settings, as in {name}.KEY = VALUE.")
    findings.raise_if_any()
    return found
