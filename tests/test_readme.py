"""The commands of README.md are commands; that they run, from the top, is proven by `proofs/readme.py`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import typer

from cardinet.cli.verbs import app

README = Path(__file__).parents[1] / "README.md"


def test_every_command_is_understood() -> None:
    group = typer.main.get_command(app)
    lines = re.findall(r"^    (cardinet .*)$", README.read_text(), re.MULTILINE)
    assert len(lines) >= 20
    verbs = set()
    for line in lines:
        _, verb, *words = shlex.split(line, comments=True)
        command = group.commands[verb]  # type: ignore[attr-defined]
        with command.make_context(verb, words):  # raises for an unknown option or a value of the wrong kind
            verbs.add(verb)
    assert verbs == set(group.commands)  # type: ignore[attr-defined]
