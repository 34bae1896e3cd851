"""More units: `--deepen 3,4,6,3`."""

from __future__ import annotations

from typing import Any

from cardinet.base.errors import RequestError
from cardinet.base.option import Option
from cardinet.rewriting.kinds.kind import Kind


class Deepen(Kind):
    """Add units to stages; the new units start as the identity."""

    def read(self, given: Any) -> list[int]:
        """The numbers between the commas. The description of the network checks their range."""
        from cardinet.base.settings import parse_value  # it imports pydantic

        self.option.check(given)
        words = [word.strip() for word in given.split(",")]
        if not all(word.isdecimal() and word.isascii() and word.strip("0") for word in words):
            raise RequestError(f'--deepen "{given}": give the number of units of every stage, as in 3,4,6,3.')
        return [parse_value(word.lstrip("0")) for word in words]


DEEPEN = Deepen(
    option=Option(
        name="deepen", type=str, metavar="3,4,6,3", help="Add units to the stages. They start as the identity."
    ),
    argument="depths",
    draws=True,
    grows=True,
)
