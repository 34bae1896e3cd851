"""The files of recipes: the built-in ones (`recipes/*.toml`) by name, and what the head of a file says."""

from __future__ import annotations

import fnmatch
import itertools
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from cardinet.base.documents import Bounds, DocumentError, read_bytes
from cardinet.base.errors import RequestError, nearest

BOUNDS = Bounds(size=2**20, finite=False)
"""Bounds of a recipe file. inf and nan pass here, so that the schema can refuse them by name."""

SAYS = ("command", "expected", "time")
"""The first words of the lines in a head that say how a recipe is used, what comes of it and how long it takes."""


@dataclass(frozen=True)
class Head:
    """The comment at the top of a recipe. `text` is all of it, `title` its first sentence.

    The lines of `SAYS` stand in `commands`, `expected` and `times`, in order.
    """

    title: str
    commands: tuple[str, ...]
    expected: tuple[str, ...]
    times: tuple[str, ...]
    text: str


def recipe_names() -> list[str]:
    """The built-in recipes."""
    folder = resources.files("cardinet.train") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def recipe_text(name: str) -> str:
    """The text of a recipe: a built-in one by name, or a file by its path ending in .toml.

    Raises RequestError if there is none.
    """
    if name in recipe_names():
        return (resources.files("cardinet.train") / "recipes" / f"{name}.toml").read_text()
    if not name.endswith(".toml"):
        raise RequestError(
            f'There is no recipe "{name}" ({nearest(name, recipe_names())}); a file ends in .toml. '
            "`cardinet list --recipes` shows all."
        )
    try:
        return read_bytes(Path(name), BOUNDS.size).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, DocumentError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        reason = "it is not text" if isinstance(error, UnicodeDecodeError) else reason
        raise RequestError(f"The recipe {name} cannot be read: {reason}.") from None


def head_of(text: str) -> Head:
    """The head of a recipe: `# NAME: TITLE`, then lines such as `# command   cardinet train ...`, then more words."""
    commented = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    lines = [line.removeprefix("#").removeprefix(" ") for line in commented]
    said = {word: tuple(line[len(word) :].strip() for line in lines if line.startswith(f"{word} ")) for word in SAYS}
    title = lines[0].partition(": ")[2] if lines else ""
    return Head(title, said["command"], said["expected"], said["time"], "\n".join(lines))


def heads(pattern: str = "*") -> dict[str, Head]:
    """The heads of the built-in recipes by name. A pattern is a word in the name or title, or has * and ?."""
    every = {name: head_of(recipe_text(name)) for name in recipe_names()}
    if any(sign in pattern for sign in "*?"):
        return {name: head for name, head in every.items() if fnmatch.fnmatch(name, pattern)}
    word = pattern.lower()
    return {name: head for name, head in every.items() if word in name or word in head.title.lower()}
