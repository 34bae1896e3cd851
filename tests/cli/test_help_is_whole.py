"""The help of a verb shows every sign of its text: a style of Rich would leave out what stands in brackets."""

from __future__ import annotations

import inspect
import re

import pytest
import typer
from typer.testing import CliRunner

from cardinet.cli.verbs import VERBS, app


def words(text: str) -> set[str]:
    return set(re.findall(r"\[[^\]\s]*\]", text))


def test_some_help_has_brackets() -> None:
    assert {"[settings]", "[space]", "[stopping]"} <= words(inspect.getdoc(VERBS["sweep"]) or "")


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_what_stands_in_brackets(verb: str) -> None:
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    options = " ".join(getattr(option, "help", None) or "" for option in command.params)
    written = words(f"{inspect.getdoc(VERBS[verb]) or ''} {options}")
    shown = CliRunner().invoke(app, [verb, "--help"]).output
    assert written <= words(shown)
