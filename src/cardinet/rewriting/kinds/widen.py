"""Wider layers: `--widen base_width=128`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cardinet.base.errors import RequestError, nearest
from cardinet.base.option import Option
from cardinet.rewriting.kinds.kind import Kind

if TYPE_CHECKING:
    from cardinet.runs.model_file import Model

WIDER = ("widths", "base_width", "cardinality")


class Widen(Kind):
    """Give widths of a description larger values, by name."""

    def read(self, given: Any) -> dict[str, Any]:
        """`KEY=VALUE` words as arguments of the rewrite."""
        from cardinet.base.settings import parse_value  # it imports pydantic

        self.option.check(given)
        found: dict[str, Any] = {}
        wrong = []
        for word in given:
            key, equals, text = (part.strip() for part in word.partition("="))
            if not equals or not text:
                wrong.append(
                    f'--widen "{word}": write it as key=value, such as base_width=128 or widths=128,256,512,1024.'
                )
            elif key not in WIDER:
                wrong.append(f'--widen "{key}": there is no such width ({nearest(key, WIDER)}).')
            elif key in found:
                wrong.append(f'--widen "{key}" is given twice; give it once.')
            else:
                found[key] = parse_value(text)
        if wrong:
            raise RequestError(*wrong)
        return found

    def arguments(self, value: dict[str, Any], model: Model) -> Mapping[str, Any]:
        return value


WIDEN = Widen(
    option=Option(
        name="widen",
        type=list[str],
        metavar="KEY=VALUE",
        help="Raise widths, base_width or cardinality. Can be given several times.",
    ),
    draws=True,
    grows=True,
)
