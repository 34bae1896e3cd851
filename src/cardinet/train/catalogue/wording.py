"""The types and defaults of fields in words, from their JSON schemas: "number above 0", "list of 2 numbers"."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from cardinet.base.durations import Duration
from cardinet.base.recipe_parts import RecipePart, SomeOf
from cardinet.networks.part import SHORTHANDS, is_part

PART = "x-part"
"""The key in a schema with the name of a class of parts; the value is any part of this class."""

Schema: TypeAlias = Mapping[str, Any]
Kinds: TypeAlias = Callable[[str], Collection[str]]


@functools.cache
def schemas(kind: type) -> Mapping[str, Schema]:
    """The JSON schema of every field of a class, with the names of parts in the place of their own schemas."""

    class Generator(GenerateJsonSchema):
        """Schemas of one class; a part within it is its name."""

        def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
            cls = schema["cls"]
            return super().model_schema(schema) if cls is kind or not issubclass(cls, RecipePart) else _named(cls)

        def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
            return super().dataclass_schema(schema) if schema["cls"] is kind else _named(schema["cls"])

        def is_instance_schema(self, schema: core_schema.IsInstanceSchema) -> JsonSchemaValue:
            return _named(schema["cls"])

        def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
            return self.generate_inner(schema["schema"])  # defaults are not all of them data

    whole = TypeAdapter(kind).json_schema(schema_generator=Generator)
    known = whole.get("$defs", {})
    fields = _resolved(whole, known).get("properties", {})
    return {name: _expanded(schema, known) for name, schema in fields.items()}


def _named(cls: type) -> JsonSchemaValue:
    return {PART: cls.__name__}


def _resolved(schema: Schema, known: Mapping[str, Schema]) -> Schema:
    return known[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _expanded(schema: Any, known: Mapping[str, Schema]) -> Any:
    """A schema with its references to others resolved."""
    if isinstance(schema, list):
        return [_expanded(item, known) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {key: _expanded(value, known) for key, value in _resolved(schema, known).items()}


def parts_in(schema: Any, listed: bool = True) -> list[str]:
    """The names of the classes of parts in a schema; without `listed` only those outside of lists."""
    if isinstance(schema, list):
        return [name for item in schema for name in parts_in(item, listed)]
    if not isinstance(schema, Mapping) or (schema.get("type") == "array" and not listed):
        return []
    found = [schema[PART]] if PART in schema else []
    return found + [name for value in schema.values() for name in parts_in(value, listed)]


def in_words(schema: Schema, kinds: Kinds, many: bool = False) -> str:
    """A schema in words, in the plural for `many`. `kinds` gives the parts of a class of parts."""
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices or PART in schema:
        return _alternatives(choices or [schema], kinds, many)
    if "enum" in schema or "const" in schema:
        values = [json.dumps(value) for value in schema.get("enum", [schema.get("const")])]
        return values[0] if len(values) == 1 else f"{'values out of' if many else 'one of'} {', '.join(values)}"
    match schema.get("type"):
        case "boolean":
            return "true or false"
        case "integer" | "number" as word:
            noun = "whole number" if word == "integer" else "number"
            return f"{noun}{'s' if many else ''} {_range(schema)}".rstrip()
        case "string" if schema.get("format") == Duration.FORMAT:
            return 'durations such as "40 epochs"' if many else 'a duration such as "40 epochs"'
        case "string":
            return "texts" if many else "text"
        case "array":
            return _list(schema, kinds, many)
        case "object" if held := parts_in(schema):
            return f"any of the parts {', '.join(_every(held, kinds))}"
        case "object":
            return "tables of settings" if many else "a table of settings"
    return "anything"


def _alternatives(choices: Sequence[Schema], kinds: Kinds, many: bool) -> str:
    """Several allowed values in words: parts in one list, then the rest, none at the end."""
    parts = _every([choice[PART] for choice in choices if PART in choice], kinds)
    others = [choice for choice in choices if PART not in choice and choice.get("type") != "null"]
    last = ["none"] if any(choice.get("type") == "null" for choice in choices) else []
    words = [in_words(choice, kinds, many) for choice in others]
    if not parts:
        return " or ".join([*words, *last])
    named = [*parts, *words, *last]
    return f"{'parts' if many else 'a part'}: {' or '.join(filter(None, (', '.join(named[:-1]), named[-1])))}"


def _every(names: Collection[str], kinds: Kinds) -> list[str]:
    return list(dict.fromkeys(kind for name in names for kind in kinds(name)))


def _range(schema: Schema) -> str:
    """ "from 0 to 1", "above 0, below 1"; whole numbers have their first and last."""
    least, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    most, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if schema["type"] == "integer" and above is not None:
        least, above = above + 1, None
    words = {"from": least, "above": above, "to" if least is not None else "at most": most, "below": below}
    given = [f"{word} {_bound(value)}" for word, value in words.items() if value is not None]
    return (" " if given[1:] and given[1].startswith("to") else ", ").join(given)


def _bound(value: float) -> str:
    """A bound as text; the largest bounds are powers of two."""
    if value >= 2**53 and value == 2 ** (int(value).bit_length() - 1):
        return f"2^{int(value).bit_length() - 1}"
    return f"{value:,.15g}"


def _list(schema: Schema, kinds: Kinds, many: bool) -> str:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    items = schema.get("prefixItems")
    noun = "lists" if many else "list"
    if items is not None and any(item != items[0] for item in items):
        return f"{noun} of {len(items)}: {'; '.join(in_words(item, kinds) for item in items)}"
    inner = items[0] if items is not None else schema.get("items", {})
    count = f"at least {least} " if least > 1 else ""
    if most is not None:
        count = f"{most} " if least == most else f"{least} to {most} "
    return f"{noun} of {count}{in_words(inner, kinds, many=True)}"


def default_of(field: FieldInfo, name: str) -> str | None:
    """A field's default as it is written after `--set KEY=`; None where there is none."""
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True)
    several = any(isinstance(item, SomeOf) for item in field.metadata)
    return "none" if several and not value else written(value, name)


def written(value: Any, field: str = "", *, within: bool = False) -> str:
    """A value as the text that `--set` reads as it. What stands `within` a list or part has its quotes and brackets."""
    for word, meant in SHORTHANDS.get(field, {}).items():
        if meant == value:
            return word
    if value is None:
        return "none"
    if isinstance(value, RecipePart) or is_part(value):
        return _written_part(value)
    if isinstance(value, tuple | list):
        inner = ",".join('"none"' if item is None else written(item, within=True) for item in value)
        numbers = all(isinstance(item, int | float) for item in value)
        return inner if numbers and len(value) > 1 and not within else f"[{inner}]"
    if isinstance(value, str | Duration):
        return json.dumps(str(value)) if within or not str(value) else str(value)
    return json.dumps(value)


def _written_part(part: Any) -> str:
    """A part with those of its settings that are not its defaults."""
    kind = type(part)
    known: Mapping[str, FieldInfo] = kind.__pydantic_fields__
    changed = {
        name: value
        for name, field in known.items()
        if (value := getattr(part, name)) != field.get_default(call_default_factory=True)
    }
    inner = ", ".join(f"{name}={written(value, name, within=True)}" for name, value in changed.items())
    return f"{kind.__name__}({inner})"
