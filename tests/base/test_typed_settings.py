"""Typed settings: short names, the nearest name for an unknown one, and all errors of a document at once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from cardinet.base.errors import RequestError
from cardinet.base.settings import (
    Settings,
    find_setting,
    merge,
    parse_assignments,
    parse_value,
    put,
    setting_paths,
    validate,
)


class Optimiser(Settings):
    lr: float = Field(0.1, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = 1e-4


class Loss(Settings):
    smoothing: float = 0.0
    weight_decay: float = 0.0


class Recipe(Settings):
    seed: int = 0
    optimiser: Optimiser = Optimiser()
    loss: Loss = Loss()


def test_paths_of_all_settings() -> None:
    assert [".".join(p) for p in setting_paths(Recipe)] == [
        "seed",
        "optimiser.lr",
        "optimiser.momentum",
        "optimiser.weight_decay",
        "loss.smoothing",
        "loss.weight_decay",
    ]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("seed", ("seed",)),
        ("lr", ("optimiser", "lr")),
        ("optimiser.lr", ("optimiser", "lr")),
        ("loss.weight_decay", ("loss", "weight_decay")),
    ],
)
def test_short_and_dotted_names(key: str, path: tuple[str, ...]) -> None:
    assert find_setting(Recipe, key) == path


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("weight_decay", "several places; name one: optimiser.weight_decay, loss.weight_decay"),
        ("momentun", 'no setting "momentun" .nearest: momentum'),
        ("optimizer.lr", "nearest: optimiser.lr"),
        ("zzz", "no setting"),
    ],
)
def test_unknown_and_ambiguous_names(key: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        find_setting(Recipe, key)


def test_all_errors_of_a_document_at_once() -> None:
    document = {"seed": "x", "sed": 1, "optimiser": {"lr": -1, "momentun": 0.9, "momentum": 1.0}, "loss": 3}
    with pytest.raises(RequestError) as error:
        validate(Recipe, document)
    text = str(error.value)
    assert len(error.value.findings) == 6
    for part in ("seed = 'x':", '"sed" (nearest: seed', "optimiser.lr = -1:", '"optimiser.momentun" (nearest:'):
        assert part in text
    assert "optimiser.momentum = 1.0:" in text
    assert "loss = 3:" in text


class Optional(Settings):
    """Settings that may be None, and some that may not."""

    clip: float | None = 1.0
    name: str = "x"
    mean: tuple[float, ...] | None = (0.5,)
    size: int = 3


def test_none_is_a_word_where_a_setting_may_be_none() -> None:
    read = validate(Optional, {"clip": "none", "mean": "None", "name": "none"})
    assert read == Optional(clip=None, mean=None, name="none")
    with pytest.raises(RequestError, match="size = 'none': "):
        validate(Optional, {"size": "none"})


def test_valid_document() -> None:
    recipe = validate(Recipe, {"optimiser": {"lr": 1}})
    assert recipe.optimiser == Optimiser(lr=1.0)
    assert recipe.loss == Loss()
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2000", 2000),
        ("0.1", 0.1),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ("3,4,6,3", [3, 4, 6, 3]),
        ('"7"', "7"),
        ("bf16", "bf16"),
        ("a,b", "a,b"),
        ("", ""),
        ("40 epochs", "40 epochs"),
    ],
)
def test_values_of_the_command_line(text: str, value: Any) -> None:
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


@given(st.integers(-(2**60), 2**60) | st.booleans() | st.lists(st.integers(0, 9), max_size=4))
def test_values_read_back(value: Any) -> None:
    assert parse_value(str(value).lower()) == value


def test_assignments() -> None:
    assert parse_assignments(["lr=0.1", "form = b", "x=a=b"]) == {"lr": 0.1, "form": "b", "x": "a=b"}
    with pytest.raises(RequestError) as error:
        parse_assignments(["lr", "=3", "a=1", "a=2"])
    assert len(error.value.findings) == 3


def test_put_and_merge() -> None:
    document: dict[str, Any] = {}
    put(document, ("a", "b"), 1)
    put(document, ("a", "c"), 2)
    assert document == {"a": {"b": 1, "c": 2}}
    assert merge(document, {"a": {"c": 3}, "d": 4}) == {"a": {"b": 1, "c": 3}, "d": 4}
    assert merge({"a": {"b": 1}}, {"a": 2}) == {"a": 2}
    assert document == {"a": {"b": 1, "c": 2}}


class Lines(Settings):
    path: tuple[str, ...] = ()


@pytest.mark.parametrize("text", ["(deep1,shallow)", "deep1, shallow", '("deep1", "shallow")'])
def test_words_that_were_meant_as_a_list_are_shown_as_one(text: str) -> None:
    with pytest.raises(RequestError, match=re.escape('such as ["deep1", "shallow"].')):
        validate(Lines, {"path": parse_value(text)})


def test_a_list_of_words_that_is_shown_is_read() -> None:
    assert validate(Lines, {"path": parse_value('["deep1", "shallow"]')}).path == ("deep1", "shallow")
