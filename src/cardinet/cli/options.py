"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardinet.base.whole_numbers import WORKERS

if TYPE_CHECKING:
    from cardinet.fast.use import Wanted

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting. KEY is its path or short name. Can be given several times.",
    ),
]
Device = Annotated[str, typer.Option("--device", metavar="D", help="auto, cpu, cuda or cuda:N.")]
OnBadImage = Annotated[
    str | None,
    typer.Option("--on-bad-image", metavar="fail|skip", help="Stop at a picture that cannot be read, or leave it out."),
]
Split = Annotated[
    str | None,
    typer.Option("--split", metavar="NAME", help="train, validation, test or all. Default: test, if the data has it."),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="WEIGHTS",
        help="The weights of a named network: a file, torchvision:NAME, timm:NAME or hub:OWNER/REPO.",
    ),
]
BatchSize = Annotated[
    int, typer.Option("--batch-size", min=1, metavar="N", help="The number of pictures that are computed together.")
]
Workers = Annotated[
    int, typer.Option("--workers", min=0, max=WORKERS, metavar="N", help="How many pictures are decoded at once.")
]

Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="local|ray",
        help="What runs the work: this process, or processes of Ray on this machine or on the cluster of RAY_ADDRESS.",
    ),
]
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes", min=1, metavar="N", help="The processes of --engine ray. Default: one for each processor or GPU."
    ),
]

Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="P,...",
        help="The precisions that --fast may choose. Default: float32. bfloat16 and int8 change answers a little.",
    ),
]
_FAST = (
    "Run the network by the fastest runtime of this machine that gives its answers. It is measured on your first "
    "pictures, in some seconds, and kept."
)
Fast = Annotated[bool | None, typer.Option("--fast/--no-fast", help=_FAST)]
FastWherePaying = Annotated[
    bool | None,
    typer.Option(
        "--fast/--no-fast",
        help=f"{_FAST} Default: on the CPU, from 64 pictures on, if that saves twice its time (about 20 s, or less if "
        "it was kept).",
    ),
]

Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        min=0.0,
        max=1.0,
        metavar="P",
        help="Give every label from this probability on. Default: the thresholds in the model file.",
    ),
]


def _lift(context: typer.Context, asked: bool) -> None:
    """Lift the bounds for this command."""
    from cardinet.base.bounds import no_bounds

    if asked:
        context.with_resource(no_bounds())


NoBounds = Annotated[
    bool,
    typer.Option(
        "--no-bounds", callback=_lift, is_eager=True, help="Lift the bounds on the size of a network and on memory."
    ),
]
Compare = Annotated[
    bool,
    typer.Option("--checksums/--no-checksums", help="Compare the weights with the file's checksums (0.7 s per GB)."),
]


def network_and_data(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of `--set` about a named network, and those about the data.

    A short name that both have means the setting of the data.
    """
    from cardinet.data.data_settings import DataSettings

    data = tuple(
        word
        for word in words
        if word.strip().startswith("data.") or word.partition("=")[0].strip() in DataSettings.model_fields
    )
    return tuple(word for word in words if word not in data), data


def wanted(fast: bool | None, precision: str | None) -> Wanted:
    """The words of `--fast` and `--precision`."""
    from cardinet.fast.use import Wanted

    if precision is None:
        return Wanted(fast=fast)
    return Wanted(fast=fast, precisions=tuple(name.strip() for name in precision.split(",")))


def about_pictures(assignments: list[str] | None, on_bad_image: str | None) -> tuple[str, ...]:
    """The words of `--set` about pictures, with `--on-bad-image` as one of them."""
    more = [] if on_bad_image is None else [f"on_bad_image={on_bad_image}"]
    return (*(assignments or []), *more)


def assigned(assignments: list[str] | None, group: str) -> dict[str, Any]:
    """The words of `--set` as settings of one group; the group's name before a key is optional.

    Raises RequestError for a word without `=` and for a setting that is given twice.
    """
    from cardinet.base.settings import parse_group

    return parse_group(assignments or [], group)
