"""`cardinet settings`: every setting with its type, default and description."""

from __future__ import annotations

import dataclasses
import shutil
from typing import Annotated

import typer

from cardinet.cli.options import Json
from cardinet.cli.talk import print_json, say, show


def settings(
    pattern: Annotated[str, typer.Argument(help="A word in a key, part or sentence, or a pattern with * and ?.")] = "*",
    as_json: Json = False,
) -> None:
    """Explain the settings of runs, of parts and of networks, for `--set` and for recipes."""
    from cardinet.train.catalogue.entries import every_group
    from cardinet.train.catalogue.search import matching, nearest_names
    from cardinet.train.catalogue.text import lines

    groups = every_group()
    found = matching(groups, pattern)
    if as_json:
        print_json([dataclasses.asdict(group) for group in found])
        return
    if not found:
        say(f'No setting matches "{pattern}" ({nearest_names(groups, pattern)}). `cardinet settings` shows all.')
        return
    show(*lines(found, shutil.get_terminal_size().columns))
    many = sum(len(group.settings) for group in found)
    typed = any(setting.key is not None for group in found for setting in group.settings)
    how = " Give one by --set KEY=VALUE, or in a recipe." if typed else ""
    say(f"{many} setting{'s' if many != 1 else ''}.{how}")
