"""`cardinet list`: the networks and recipes by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated

import typer

from cardinet.cli.options import Json
from cardinet.cli.talk import print_json, say, show


def list_networks(
    pattern: Annotated[str, typer.Argument(help="A word in the name, or a pattern with * and ?.")] = "*",
    recipes: Annotated[
        bool, typer.Option("--recipes", help="List the training recipes instead; a whole name shows one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the networks, or the recipes, by name."""
    if recipes:
        _recipes(pattern, as_json)
        return
    from cardinet.networks.registry import ALIASES, matching, unbuildable

    rows, never = matching(pattern), unbuildable(pattern)
    names = {row.id: [alias for alias, id in ALIASES.items() if id == row.id] for row in rows}
    if as_json:
        print_json([*(_row(row, names[row.id]) for row in rows), *_never(never)])
        return
    if not rows and not never:
        say(f'No network matches "{pattern}". `cardinet list` shows all.')
        return
    widest = max(len(id) for id in (*never, *names))
    for row in rows:
        also = f"  also {', '.join(names[row.id])}" if names[row.id] else ""
        show(f"{row.id:<{widest}}  {row.family:<15}  {row.input_size:>3} px  {row.paper}{also}")
    for id, why in never.items():
        show(f"{id:<{widest}}  cannot be built: {why}")
    say(f"{len(rows)} network{'s' if len(rows) > 1 else ''}. `cardinet info NAME` counts one.")


def _row(row: object, aliases: list[str]) -> dict[str, object]:
    keys = ("id", "family", "paper", "input_size", "reading")
    return {key: getattr(row, key) for key in keys} | {"aliases": aliases, "buildable": True}


def _never(unbuildable: Mapping[str, str]) -> list[dict[str, object]]:
    return [{"id": id, "buildable": False, "reason": why} for id, why in unbuildable.items()]


def _recipes(pattern: str, as_json: bool) -> None:
    """One line a recipe; the whole head of the one whose name is given."""
    from cardinet.train.recipe_files import heads, recipe_text

    found = heads(pattern)
    if as_json:
        print_json(
            [{"name": name, **dataclasses.asdict(head), "text": recipe_text(name)} for name, head in found.items()]
        )
        return
    if not found:
        say(f'No recipe matches "{pattern}". `cardinet list --recipes` shows all.')
        return
    if pattern in found:
        show(*found[pattern].text.split("\n"))
        say("To change it, write a file with base = and your settings, and give it to --recipe.")
        return
    widest = max(map(len, found))
    for name, head in found.items():
        show(f"{name:<{widest}}  {head.title}")
    say(f"{len(found)} recipe{'s' if len(found) > 1 else ''}. `cardinet list --recipes NAME` says how one is used.")
