"""A count in a sentence agrees with its noun, also if it is one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import cardinet
from cardinet.base.amounts import amount

NOUNS = "pictures|shards|samples|rows|trials|steps|networks|tensors|processes|notes"
PLURAL = re.compile(rf" ({NOUNS})\b")

NO_COUNTS = ("value", "kind", "found", "sizes", "split", "chosen", "recipe.fits", "kinds[")
"""What names something before a noun, by the begin or a part of the expression."""

SEVERAL = (
    "MOST",
    "FEWEST",
    "ranks.count",
    "together",
    "horizon",
    "split.total",
    "n:,",
    "steps}",
    "seen != 1",
    "pictures.left",
    "parts)",
)
"""Counts that are above one where they are said: limits, processes, a part of more, pictures of a question."""


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "picture", "0 pictures"),
        (1, "picture", "1 picture"),
        (1797, "picture", "1,797 pictures"),
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
        (3, "branch", "3 branches"),
    ],
)
def test_a_noun_follows_its_number(number: int, noun: str, text: str) -> None:
    assert amount(number, noun) == text


def written(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(place, value, plural) wherever a value and a plural noun follow each other in a text of the package."""
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.JoinedStr):
                continue
            for value, after in zip(node.values, node.values[1:], strict=False):
                if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant):
                    continue
                if found := PLURAL.match(str(after.value)):
                    yield f"{file.relative_to(folder)}:{node.lineno}", ast.unparse(value), found[1]


def test_every_count_takes_its_noun_from_one_place() -> None:
    found = list(written(Path(cardinet.__file__).parent))
    assert found
    assert not [each for each in found if not any(part in each[1] for part in (*NO_COUNTS, *SEVERAL))]
