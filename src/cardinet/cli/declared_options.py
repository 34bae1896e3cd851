"""Options of a verb that are declared in a table of a lower room."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from cardinet.base.option import Option


def with_options(options: Iterable[Option], after: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a verb with `**asked` an option for each row, after the parameter `after`. None: the option is not given."""

    def declare(verb: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(verb, eval_str=True).parameters.values() if p.kind is not p.VAR_KEYWORD]
        place = [p.name for p in own].index(after) + 1
        parameters = [*own[:place], *map(_parameter, options), *own[place:]]
        verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        verb.__annotations__ = {p.name: p.annotation for p in parameters}
        return verb

    return declare


def _parameter(option: Option) -> inspect.Parameter:
    about = typer.Option(option.flag, metavar=option.metavar, min=option.least, help=option.help)
    of = bool if option.type is bool else option.type | None
    return inspect.Parameter(
        option.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=False if option.type is bool else None,
        annotation=Annotated[of, about],
    )
