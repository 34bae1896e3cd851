"""Parts of a recipe: found in their folder, read from text and documents, wrong ones refused at their place."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest

from cardinet.base.errors import RequestError
from cardinet.base.recipe_parts import OneOf, RecipePart, SomeOf, Table, to_document
from cardinet.base.settings import Settings, merge, setting_paths, validate

MODULES = {
    "plain": "class Plain(Rule):\n    speed: float = 0.1\n    steady: bool = True\n",
    "quick": "class Quick(Rule):\n    speed: float = 1.0\n    betas: tuple[float, float] = (0.9, 0.999)\n",
    "nothing": "SPEED = 3\n",
}


class Rule(RecipePart):
    """What the parts of this test are."""

    speed: float = 0.0


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table[Rule]]:
    root = tmp_path_factory.mktemp("rules")
    (root / "rules_of_a_test").mkdir()
    (root / "rules_of_a_test/__init__.py").touch()
    for name, text in MODULES.items():
        (root / f"rules_of_a_test/{name}.py").write_text(f"from {__name__} import Rule\n\n\n{text}")
    sys.path.insert(0, str(root))
    yield Table(Rule, "rules_of_a_test", "rule")
    sys.path.remove(str(root))


@pytest.fixture(scope="module")
def model(table: Table[Rule]) -> Any:
    class Plan(Settings):
        rule: Annotated[Rule, OneOf(table, "Plain")] = table.rows["Plain"]()
        others: Annotated[Mapping[str, Rule], SomeOf(table)] = {}
        count: int = 3

    return Plan


def test_a_part_is_a_class_in_a_file_of_the_folder(table: Table[Rule]) -> None:
    assert list(table.rows) == ["Plain", "Quick"]


@pytest.mark.parametrize(
    ("given", "kind", "speed"),
    [
        ("Quick", "Quick", 1.0),
        ("Quick(speed=2, betas=[0.5, 0.6])", "Quick", 2.0),
        ({"part": "Quick", "speed": 3}, "Quick", 3.0),
        ({"speed": 4}, "Plain", 4.0),
    ],
)
def test_a_part_is_read_from_text_and_documents(model: Any, given: Any, kind: str, speed: float) -> None:
    plan = validate(model, {"rule": given})
    assert (type(plan.rule).__name__, plan.rule.speed) == (kind, speed)
    assert validate(model, plan.model_dump(mode="json")) == plan
    assert plan.model_dump(mode="json")["rule"] == to_document(plan.rule)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"Quick": {"speed": 2}}, {"Quick": 2.0}),
        ({"Quick": {}, "Plain": "none"}, {"Quick": 1.0}),
        ("Quick(speed=5), Plain", {"Plain": 0.1, "Quick": 5.0}),
        ([{"part": "Plain"}, "Quick"], {"Plain": 0.1, "Quick": 1.0}),
        ("none", {}),
    ],
)
def test_several_parts_stand_under_their_names(model: Any, given: Any, found: dict[str, float]) -> None:
    plan = validate(model, {"others": given})
    assert {name: part.speed for name, part in plan.others.items()} == found
    assert validate(model, plan.model_dump(mode="json")) == plan


@pytest.mark.parametrize(
    ("document", "findings"),
    [
        ({"rule": {"speed": "x"}, "count": "y"}, ["rule.speed = 'x'", "count = 'y'"]),
        ({"rule": {"betas": [1, 2]}}, ["rule: Plain has no betas, which belongs to Quick"]),
        ({"rule": "Quik(speed=1)"}, ['There is no rule "Quik" (nearest: Quick). Write it as in Plain(...)']),
        ({"rule": {"part": "Quik"}}, ['There is no rule "Quik" (nearest: Quick)']),
        ({"rule": "Quick(1)"}, ["name every value, and put lists in brackets, as in Quick(speed=...)"]),
        ({"rule": 3}, ["rule = 3: Write it as in Plain(...)"]),
        ({"others": {"Quick": {"speed": "x"}}}, ["others.Quick.speed = 'x'"]),
        ({"others": {"Quik": {}}}, ['There is no rule "Quik" (nearest: Quick)']),
        ({"others": {"Quick": {"part": "Plain"}}}, ['"Quick" holds the rule Plain']),
        ({"others": "Quick, Quick(speed=2)"}, ["Quick is given twice"]),
        ({"others": 3}, ["others = 3"]),
    ],
)
def test_what_is_wrong_is_said_at_its_place(model: Any, document: dict[str, Any], findings: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        validate(model, document)
    assert len(caught.value.findings) == len(findings)
    for finding, expected in zip(caught.value.findings, findings, strict=True):
        assert expected in finding


def test_the_settings_of_all_parts_have_paths(model: Any) -> None:
    found = [".".join(path) for path in setting_paths(model)]
    assert found == [
        *["rule", "rule.speed", "rule.steady", "rule.betas", "others"],
        *["others.Plain", "others.Plain.speed", "others.Plain.steady"],
        *["others.Quick", "others.Quick.speed", "others.Quick.betas", "count"],
    ]


def test_a_part_stays_as_it_was_made(table: Table[Rule], model: Any) -> None:
    part = table.rows["Quick"](speed=7)
    assert validate(model, {"rule": part}).rule == part
    assert Path(sys.modules[type(part).__module__].__file__ or "").name == "quick.py"


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"Quick": {"speed": 5}}, [{"part": "Plain"}, {"part": "Quick", "betas": [1, 2], "speed": 5}]),
        ({"Quick": "none"}, [{"part": "Plain"}]),
        ({"Slow": {}}, [{"part": "Plain"}, {"part": "Quick", "betas": [1, 2]}, {"part": "Slow"}]),
        ([{"part": "Plain"}], [{"part": "Plain"}]),
        ("none", "none"),
    ],
)
def test_a_list_of_parts_stays_all_of_them_where_some_are_changed(delta: Any, expected: Any) -> None:
    whole = {"others": [{"part": "Plain"}, {"part": "Quick", "betas": [1, 2]}]}
    assert merge(whole, {"others": delta}) == {"others": expected}
    beneath = {"others": {"Slow": {"speed": 1}, "Quick": {"speed": 2}}}
    assert merge(beneath, merge(whole, {"others": delta}))["others"] == expected
