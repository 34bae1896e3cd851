"""A short form of `proofs/fuzz.py requests`, and that its requests name every verb and option."""

from __future__ import annotations

import random

from typer.main import get_command

from cardinet.cli.verbs import app
from fuzzing.requests import COUNTED, request, run


def test_wrong_requests_end_in_words() -> None:
    found = run(seed=5, count=30)
    assert (found["requests"], [found[kind] for kind in COUNTED], found["other_codes"]) == (30, [0] * len(COUNTED), 0)
    assert found["exit_2"] >= 12


def test_every_verb_and_option_is_asked_for() -> None:
    requests = [request(random.Random(number)) for number in range(1500)]
    assert requests[:50] == [request(random.Random(number)) for number in range(50)]
    missing = []
    for name, verb in get_command(app).commands.items():  # type: ignore[attr-defined]
        words = {word for asked in requests if asked[0] == name for word in asked[1:]}
        options = [parameter.opts[0] for parameter in verb.params if parameter.opts[0].startswith("--")]
        missing += [f"{name} {option}" for option in options if option not in words and option != "--help"]
        assert words
    assert missing == []
