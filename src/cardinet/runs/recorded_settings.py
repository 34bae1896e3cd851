"""The settings of a run, flat, from its run.toml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cardinet.runs.folder import RunRecord

Plain = bool | int | float | str


def plain_settings(record: RunRecord) -> dict[str, Plain]:
    """The recipe's settings by dotted path, and the values of the input settings that the recipe left open.

    A list is text. A setting that is not set is left out.
    """
    recipe = {"recipe" if key == "name" else key: value for key, value in record.recipe.items()}
    input_ = {
        "size" if key == "crop" else key: value for key, value in record.preprocessing.model_dump(mode="json").items()
    }
    return dict(flat({**recipe, "input": input_}))


def flat(document: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Plain]]:
    """Settings by dotted path. A list becomes text, and what is None is left out."""
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{key}.")
        elif value is not None:
            yield f"{above}{key}", value if isinstance(value, Plain) else as_text(value)


def as_text(value: Any) -> str:
    """A setting as text."""
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
