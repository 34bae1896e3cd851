"""One option of a verb, as data. The help, the listing and the first check follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from cardinet.base.errors import RequestError
from cardinet.base.whole_numbers import require_whole


@dataclass(frozen=True, kw_only=True)
class Option:
    """`--name METAVAR  help`.

    `type` is the type of the value: bool for a flag, int, float, str, list[str] for an option that can be given several
    times, or a Literal of all allowed words. `least` is the smallest allowed whole number.
    """

    name: str
    help: str
    type: Any = bool
    metavar: str | None = None
    least: int | None = None

    @property
    def flag(self) -> str:
        """The option as a user types it: --in-channels."""
        return f"--{self.name.replace('_', '-')}"

    def check(self, value: object) -> None:
        """Raise RequestError for a value of a wrong type, which is possible in Python."""
        if self.type is int:
            require_whole(self.least or 0, None, **{self.name: value})
        elif not self._is_right(value):
            raise RequestError(f"{self.name} = {value!r:.80}: give {self._words()}.")

    def _is_right(self, value: object) -> bool:
        if self.type is bool:
            return value is True
        if self.type == list[str]:
            return isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)
        return isinstance(value, self.type) if isinstance(self.type, type) else value in get_args(self.type)

    def _words(self) -> str:
        """The allowed values as a text."""
        if self.type is bool:
            return "True, or leave it out"
        if self.type == list[str]:
            return "a list of texts"
        return "text" if self.type is str else f"one of {', '.join(get_args(self.type))}"
