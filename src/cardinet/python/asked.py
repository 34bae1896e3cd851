"""A request for a training, from the arguments of a program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cardinet.train.listener import Listener
    from cardinet.train.request import Request


def request_of(
    network: str | None,
    source: str | None,
    recipe: str | Path | None,
    weights: str | Path | None,
    settings: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> Request:
    """The request; `options` are short options of the command, and settings by their last word."""
    from cardinet.train.plain_options import OPTIONS, as_settings
    from cardinet.train.request import Request

    plain = {**options, "data": source}
    given = as_settings(**{name: value for name, value in plain.items() if name in OPTIONS})
    given |= {name: value for name, value in options.items() if name not in OPTIONS}
    return Request(
        network=network,
        recipe="quick" if recipe is None else str(recipe),
        settings=(*given.items(), *(settings or {}).items()),
        weights=None if weights is None else str(weights),
    )


@contextmanager
def shown_by(listener: Listener | None) -> Iterator[Listener]:
    """The listener of a run: the given one, or one that draws on stderr."""
    if listener is not None:
        yield listener
        return
    from cardinet.cli.progress import screen

    with screen(True) as shown:
        yield shown
