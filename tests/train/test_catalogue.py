"""The catalogue of settings: it is whole, its words are true of the code, its keys and defaults can be typed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest

from cardinet.base.docstrings import field_sentences
from cardinet.base.durations import Duration
from cardinet.base.errors import CardinetError
from cardinet.base.recipe_parts import OneOf, RecipePart, SomeOf, Table
from cardinet.base.settings import Settings, parse_value, setting_paths
from cardinet.data.data_settings import AUGMENTATIONS
from cardinet.networks.part import PARTS, part
from cardinet.networks.parts.gate import Gate
from cardinet.networks.registry import NETWORKS
from cardinet.train.catalogue.entries import Group, Setting, every_group, network_groups, recipe_groups
from cardinet.train.catalogue.search import matching, nearest_names
from cardinet.train.catalogue.text import lines
from cardinet.train.catalogue.wording import in_words, schemas
from cardinet.train.recipe import METHODS, OBJECTIVES, OPTIMIZERS, SCHEDULES, Recipe, make_recipe, overrides
from cardinet.train.watching import TRACKERS

TABLES = (AUGMENTATIONS, OPTIMIZERS, SCHEDULES, OBJECTIVES, METHODS)
OURS = [name for name, kind in PARTS.items() if kind.__module__.startswith("cardinet.")]


@pytest.fixture(scope="module")
def groups() -> tuple[Group, ...]:
    """The catalogue without the parts that other tests make."""
    return tuple(group for group in every_group() if group.name in OURS or group.name not in PARTS)


def test_every_setting_is_there_once_with_a_sentence(groups: tuple[Group, ...]) -> None:
    found = [(group.role, group.name, setting.name) for group in groups for setting in group.settings]
    own = {path for path in setting_paths(Recipe) if path[0] in Recipe.model_fields and len(path) <= 2}
    held = ("augmentation", "optimizer", "schedule", "objective", "methods")
    expected = len([path for path in own if path[0] not in held or len(path) == 1])
    expected += sum(len(row.model_fields) for table in (*TABLES, TRACKERS) for row in table.rows.values())
    expected += sum(len(fields(PARTS[name])) for name in OURS)
    assert len(found) == len(set(found)) == expected
    assert expected >= 244
    assert len(groups) >= 51
    for group in groups:
        assert all(group.about), group.name
        for setting in group.settings:
            assert re.fullmatch(r"[A-Z].*\.", setting.sentence), f"{group.name}.{setting.name} has no sentence"
            assert setting.type != "anything", f"{group.name}.{setting.name}"


def of_recipes(groups: tuple[Group, ...]) -> Iterator[tuple[Group, Setting]]:
    names = {row for table in TABLES for row in table.rows} | {"recipe", *Recipe.model_fields}
    found = [group for group in groups if group.name in names and group.role != "network"]
    yield from ((group, setting) for group in found for setting in group.settings)


def test_keys_and_defaults_of_recipes_can_be_typed(groups: tuple[Group, ...]) -> None:
    tried = 0
    for group, setting in of_recipes(groups):
        assert setting.key is not None
        assert setting.path is not None
        place = setting.path.split(".")
        given = [s for s in group.settings if s.default is None]
        some: dict[str, Any] = {"whole": 1, "text": "some"}
        values: dict[str, Any] = {str(s.key): some.get(s.type.split()[0], 0.5) for s in given}
        if group.role and group.name not in place:  # where the key does not choose the part
            values[group.role] = f"{group.name}()"
        values |= {} if setting.default is None else {setting.key: parse_value(setting.default)}
        if setting.name in ("id", "delta"):
            continue  # these name a network, or its own settings
        delta, errors = overrides(values.items())
        assert not errors, (setting, errors)
        node: Any = delta
        for word in place:
            node = node[word] if word in node else pytest.fail(f"{setting.key} is not at {setting.path}: {delta}")
        if setting.default is None:
            continue
        read: Any = make_recipe(delta)
        for word in place:
            read = read[word] if isinstance(read, Mapping) else getattr(read, word)
        kind = next((table.rows[group.name] for table in TABLES if group.name in table.rows), None)
        plain = kind.model_fields[setting.name].default if kind else make_recipe({})
        for word in () if kind else place:
            plain = getattr(plain, word)
        assert read == plain, setting
        tried += 1
    assert tried >= 70


def test_none_is_the_default_where_it_is_allowed(groups: tuple[Group, ...]) -> None:
    """A run.toml leaves out what is none, so that it is read back as the default."""
    allowed = [s for _, s in of_recipes(groups) if s.type == "none" or s.type.endswith(" or none")]
    assert len(allowed) >= 8
    assert {s.default for s in allowed} == {"none"}


def test_keys_and_defaults_of_networks_can_be_typed(groups: tuple[Group, ...]) -> None:
    specs = list({(type(row.spec), row.spec.num_classes): row.spec for row in NETWORKS.values()}.values())
    tried, refused = 0, []
    for group in groups:
        if group.name not in OURS:
            continue
        for setting in group.settings:
            if setting.key is None or setting.default is None or setting.path is None:
                continue
            key = setting.key.removeprefix("network.")
            whole = {} if group.role == "network" else {setting.path.split(".")[-2]: f"{group.name}()"}
            readings = []
            for spec in specs:
                if group.role == "network" and type(spec).__name__ != group.name:
                    continue
                try:
                    node: Any = spec.but(**whole, **{key: parse_value(setting.default)})
                except CardinetError:  # another kind of network, or no meaning beside its other settings
                    continue
                for word in setting.path.split(".")[1:]:
                    node = getattr(node, word)
                readings.append(node)
            plain = PARTS[group.name].__dataclass_fields__[setting.name].default
            assert all(reading == plain for reading in readings), setting
            tried += bool(readings)
            if not readings:
                refused.append(f"{group.name}.{setting.name}")
    assert tried >= 120
    assert refused == []


class Rule(RecipePart):
    """What the parts of this test are."""

    speed: float = 0.5
    """The metres in a second."""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table[Rule]]:
    (tmp_path / "rules_of_the_catalogue").mkdir()
    (tmp_path / "rules_of_the_catalogue/__init__.py").touch()
    (tmp_path / "rules_of_the_catalogue/quick.py").write_text(
        f'"""A quick rule (Someone 2020)."""\nfrom {__name__} import Rule\n\n\nclass Quick(Rule):\n'
        '    """It is quick.\n\n    Very."""\n\n    wheels: int = 4\n    """The wheels that turn."""\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield Table(Rule, "rules_of_the_catalogue", "rule")
    for name in [name for name in sys.modules if name.startswith("rules_of_the_catalogue")]:
        del sys.modules[name]


def test_a_new_part_of_a_recipe_appears_by_itself(table: Table[Rule]) -> None:
    class Plan(Settings):
        """A plan."""

        rule: Annotated[Rule, OneOf(table, "Quick")] = table.rows["Quick"]()
        """The rule."""
        others: Annotated[Mapping[str, Rule], SomeOf(table)] = {}
        """Other rules."""

    plan, quick, other = recipe_groups(Plan)
    assert [(setting.key, setting.type, setting.default) for setting in plan.settings] == [
        ("rule", "a part: Quick", "Quick()"),
        ("others", "any of the parts Quick", "none"),
    ]
    assert quick == Group(
        "Quick",
        "rule",
        ("A quick rule (Someone 2020).", "It is quick."),
        "rule=Quick(wheels=4)",
        (
            Setting("speed", "speed", "rule.speed", "number", "0.5", "The metres in a second."),
            Setting("wheels", "wheels", "rule.wheels", "whole number", "4", "The wheels that turn."),
        ),
    )
    assert [setting.key for setting in other.settings] == ["Quick.speed", "Quick.wheels"]


def gate_names() -> list[str]:
    return [name for name, kind in PARTS.items() if issubclass(kind, Gate)]


def test_a_new_part_of_networks_appears_by_itself() -> None:
    @part
    class ScaleOfTheCatalogue(Gate):
        """One factor per channel."""

        start: float = 1.0
        """The first value of the factors."""

        MODULE: ClassVar[str] = "gates:Scale"

    try:
        found = {group.name: group for group in network_groups()}
    finally:
        del PARTS["ScaleOfTheCatalogue"]
    own = found["ScaleOfTheCatalogue"]
    assert (own.role, own.example) == ("gate", "gate=ScaleOfTheCatalogue(start=1.0)")
    assert own.settings == (
        Setting("start", "gate.start", "network.gate.start", "number", "1.0", "The first value of the factors."),
    )
    gate = next(setting for setting in found["VGG"].settings if setting.name == "gate")
    assert gate.type == f"a part: {', '.join(gate_names())}, ScaleOfTheCatalogue or none"


class Ranges(Settings):
    """Fields of every kind of type."""

    share: Annotated[float, "x"] = 0.5
    kind: Literal["zero", "mean"] = "zero"
    """How the pad is filled,
    in two lines.
    """
    length: Duration | None = None
    pair: tuple[int, str] = (1, "a")
    nested: tuple[tuple[bool, ...], ...] = ()


def test_types_are_told_in_words() -> None:
    found = {name: in_words(schema, lambda name: [name]) for name, schema in schemas(Ranges).items()}
    assert found == {
        "share": "number",
        "kind": 'one of "zero", "mean"',
        "length": 'a duration such as "40 epochs" or none',
        "pair": "list of 2: whole number; text",
        "nested": "list of lists of true or false",
    }
    assert field_sentences(Ranges) == {"kind": "How the pad is filled, in two lines."}


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"minimum": 0, "maximum": 1}, "number from 0 to 1"),
        ({"minimum": 0, "exclusiveMaximum": 1}, "number from 0, below 1"),
        ({"exclusiveMinimum": 0, "maximum": 1}, "number above 0, at most 1"),
        ({"exclusiveMinimum": 0, "exclusiveMaximum": 1}, "number above 0, below 1"),
        ({"type": "integer", "exclusiveMinimum": 0, "maximum": 8192}, "whole number from 1 to 8,192"),
        ({"type": "integer", "minimum": 0, "exclusiveMaximum": 2**63}, "whole number from 0, below 2^63"),
        ({"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 3}, "list of 1 to 3 numbers"),
        ({"type": "array", "items": {"enum": [1, 3]}, "minItems": 2}, "list of at least 2 values out of 1, 3"),
    ],
)
def test_ranges_are_told_in_words(bounds: dict[str, Any], words: str) -> None:
    assert in_words({"type": "number", **bounds}, lambda name: [name]) == words


FLIP = """\
Flip  --set "augmentation=Flip(probability=0.5)"
  Mirror images.
  Swap left and right in some of the pictures.
  Flip.probability = 0.5  number from 0 to 1
      The probability with which left and right are swapped."""


def test_a_name_answers_at_a_glance(groups: tuple[Group, ...]) -> None:
    assert "\n".join(lines(matching(groups, "FLIP"), 80)) == FLIP
    assert [group.name for group in matching(groups, "adamw")] == ["AdamW"]
    assert [group.name for group in matching(groups, "optimizer")] == [*OPTIMIZERS.rows, "recipe"]
    found, gates = matching(groups, "gate"), gate_names()
    assert "SqueezeExcite" in gates
    assert [group.name for group in found[: len(gates)]] == gates
    assert {(group.name, len(group.settings)) for group in found[len(gates) :]} == {
        (name, 1) for name in ("Residual", "RepVGG", "Inception", "GoogLeNet", "VGG")
    }


def test_words_and_patterns_look_in_sentences_too(groups: tuple[Group, ...]) -> None:
    assert [group.name for group in matching(groups, "looks ahead")] == ["SGD"]
    assert [s.key for group in matching(groups, "warmup*") for s in group.settings[:2]] == ["warmup", "warmup_from"] * 6
    assert len(matching(groups, "*gate*")) > len(matching(groups, "gate"))
    assert matching(groups, "*") == groups
    assert matching(groups, "flipp") == ()
    assert "Flip" in nearest_names(groups, "flipp")
    assert nearest_names(groups, "learning_rate") == "here it is called lr"


@pytest.mark.parametrize("width", [20, 80, 200])
def test_no_line_is_wider_than_the_terminal(groups: tuple[Group, ...], width: int) -> None:
    found = list(lines(groups, width))
    longest = max(len(line) for line in found)
    assert longest <= max(width, 60), next(line for line in found if len(line) == longest)
    text = " ".join(" ".join(found).split())
    assert all(f"{setting.key or setting.name} = " in text for group in groups for setting in group.settings)
