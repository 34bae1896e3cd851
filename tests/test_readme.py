"""The commands of README.md have right verbs and options. `proofs/readme.py` proves that they run, in their order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from cli.cli_runner import command_line

README = Path(__file__).parents[1] / "README.md"


def test_every_command_is_understood() -> None:
    commands = command_line().commands
    lines = re.findall(r"^    (cardinet .*)$", README.read_text(), re.MULTILINE)
    assert len(lines) >= 20
    verbs = set()
    for line in lines:
        _, verb, *words = shlex.split(line, comments=True)
        command = commands[verb]
        with command.make_context(verb, words):  # raises for an unknown option or a value of the wrong kind
            verbs.add(verb)
    assert verbs == set(commands)
