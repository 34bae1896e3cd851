"""Durations in steps, epochs, examples or percent of the run. Only this file converts them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from cardinet.base.errors import RequestError

_PATTERN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)\s*(steps?|epochs?|examples?|%|percent)\s*")
LONGEST = 1e15
"""The longest duration in any unit. No one lives to see the end of a longer one, and its steps would not be exact."""

_UNITS = {"step": "steps", "epoch": "epochs", "example": "examples", "percent": "%"}


class Duration:
    """An amount with its unit: `Duration("40 epochs")`, "64000 steps", "1e6 examples" or "50 %" (of the run).

    Raises ValueError for any other text.
    """

    __slots__ = ("amount", "unit")

    FORMAT: ClassVar[str] = "duration"
    """What a JSON schema calls such a text."""

    def __init__(self, text: str) -> None:
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ValueError(f'"{text}" is not a duration; write "40 epochs", "64000 steps", "1e6 examples" or "50 %"')
        self.amount = float(match[1])
        if not self.amount <= LONGEST:
            raise ValueError(f'"{text}" is too long')
        self.unit = _UNITS.get(match[2].removesuffix("s"), match[2])

    def __str__(self) -> str:
        """The exact amount without an exponent, so that the text reads back as the same duration."""
        amount = int(self.amount) if self.amount.is_integer() else format(Decimal(repr(self.amount)), "f")
        return f"{amount} {self.unit.removesuffix('s') if self.amount == 1 else self.unit}"

    def __repr__(self) -> str:
        return f'Duration("{self}")'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and (self.amount, self.unit) == (other.amount, other.unit)

    def __hash__(self) -> int:
        return hash((self.amount, self.unit))

    def steps(self, *, steps_per_epoch: int, batch_size: int, whole: int | None = None) -> int:
        """The duration in steps, rounded to the nearest. `whole` is the length of the run in steps, for percent.

        Raises RequestError for a duration in percent without `whole`.
        """
        if self.unit == "%":
            if whole is None:
                raise RequestError(f'"{self}": the length of a run cannot be a part of itself; give steps or epochs.')
            return round(self.amount / 100 * whole)
        per_unit = {"steps": 1.0, "epochs": float(steps_per_epoch), "examples": 1.0 / batch_size}
        return round(self.amount * per_unit[self.unit])

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def parse(value: object) -> Duration:
            if isinstance(value, Duration):
                return value
            if not isinstance(value, str):
                raise ValueError(f'{value} has no unit; write "{value} epochs" or "{value} steps"')
            return cls(value)

        return core_schema.no_info_plain_validator_function(
            parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": cls.FORMAT}
