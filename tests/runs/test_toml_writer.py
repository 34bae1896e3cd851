"""TOML as it is written reads back, and what is not set can be seen."""

from __future__ import annotations

import tomllib

from cardinet.runs.toml_writer import dumps
from cardinet.train.recipe import Recipe

DOCUMENT = {"a b": None, "c": 1, "d": {"e": None, "f": {"g": None, "h": "x\n\x7fé"}}, "i": [{"j": None, "k": True}]}


def test_what_is_not_set_is_left_out_or_a_comment() -> None:
    plain, shown = dumps(DOCUMENT), dumps(DOCUMENT, show_unset=True)
    assert tomllib.loads(plain) == tomllib.loads(shown)
    assert tomllib.loads(plain) == {"c": 1, "d": {"f": {"h": "x\n\x7fé"}}, "i": [{"k": True}]}
    assert "#" not in plain
    assert [line for line in shown.split("\n") if line.startswith("#")] == [
        '# "a b" is not set',
        "# e is not set",
        "# g is not set",
    ]


def test_every_setting_of_a_recipe_stands_in_a_dry_run() -> None:
    document = Recipe().model_dump(mode="json")
    shown = dumps(document, show_unset=True)
    groups = {name: group for name, group in document.items() if isinstance(group, dict)}
    assert len(groups) == 10
    for name, group in groups.items():
        table = shown.partition(f"[{name}]\n")[2].partition("\n[")[0]
        for key, value in group.items():
            assert f"# {key} is not set" in table if value is None else f"{key} = " in table or value == {}
