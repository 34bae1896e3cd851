"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cardinet.base.whole_numbers import WORKERS

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, by dotted path or short name. Repeatable."),
]
Device = Annotated[str, typer.Option("--device", metavar="D", help="auto, cpu, cuda or cuda:N.")]
OnBadImage = Annotated[
    str | None,
    typer.Option("--on-bad-image", metavar="fail|skip", help="What is done with pictures that are bad."),
]
Workers = Annotated[int, typer.Option("--workers", min=0, max=WORKERS, metavar="N", help="How many decode at once.")]


def _lift(context: typer.Context, asked: bool) -> None:
    """Lift the bounds for this command."""
    from cardinet.base.bounds import no_bounds

    if asked:
        context.with_resource(no_bounds())


NoBounds = Annotated[
    bool,
    typer.Option(
        "--no-bounds", callback=_lift, is_eager=True, help="Try also what is larger than the bounds or than memory."
    ),
]
Compare = Annotated[
    bool,
    typer.Option("--checksums/--no-checksums", help="Compare the weights with the file's checksums (0.7 s a GB)."),
]


def network_and_data(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of `--set` where a named network meets a source: those about the network, and those about the data.

    A short name that settings of data have means those.
    """
    from cardinet.data.data_settings import DataSettings

    data = tuple(
        word
        for word in words
        if word.strip().startswith("data.") or word.partition("=")[0].strip() in DataSettings.model_fields
    )
    return tuple(word for word in words if word not in data), data


def about_pictures(assignments: list[str] | None, on_bad_image: str | None) -> tuple[str, ...]:
    """The words of `--set` on pictures, with `--on-bad-image` as one of them."""
    more = [] if on_bad_image is None else [f"on_bad_image={on_bad_image}"]
    return (*(assignments or []), *more)


def assigned(assignments: list[str] | None, group: str) -> dict[str, Any]:
    """`--set` words as settings of one group, with or without its name before them.

    Raises RequestError for a word without `=` and for a setting that is given twice.
    """
    from cardinet.base.settings import parse_group

    return parse_group(assignments or [], group)
