"""Hints for the names of other programs: every one leads to a setting that there is, or to the truth."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from typer.testing import CliRunner

from cardinet.base.errors import RequestError
from cardinet.base.settings import setting_paths, short_names
from cardinet.base.synonyms import CALLED, INSTEAD, option_hint, setting_hint
from cardinet.cli.verbs import app
from cardinet.networks.part import PARTS
from cardinet.networks.registry import find
from cardinet.train.recipe import Recipe, make_recipe, overrides

RECIPE = {name[0] for path in setting_paths(Recipe) for name in short_names(path) if len(name) == 1}
NETWORKS = {field.name for kind in PARTS.values() for field in fields(kind)}


def test_our_names_are_settings_and_the_others_are_not() -> None:
    assert set(CALLED) <= RECIPE | NETWORKS
    others = [name for names in (*CALLED.values(), *INSTEAD) for name in names.split()]
    assert len(others) == len(set(others)) > 150
    assert not set(others) & RECIPE
    # What some network calls so too is asked for only where this one has no such setting.
    assert set(others) & NETWORKS == {"dropout", "drop", "drop_path"}


def test_settings_that_the_sentences_name_are_there() -> None:
    words = {word for sentence in INSTEAD.values() for word in re.findall(r"\b[a-z]+_[a-z_]+\b", sentence)}
    assert words == {"label_smoothing", "channels_last"}
    assert words - {"channels_last"} <= RECIPE
    for text in ("merge=StochasticDepth(last=0.5)", "gate=SqueezeExcite(reduction=16)"):
        assert any(text in sentence for sentence in INSTEAD.values())
        key, _, value = text.partition("=")
        find("resnet50").spec.but(**{key: value})


def test_options_that_the_sentences_name_are_those_of_train() -> None:
    """But those of torchrun."""
    found = {word for sentence in INSTEAD.values() for word in re.findall(r"--[a-z-]+", sentence)}
    known = CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).stdout
    named = found - {"--nproc-per-node", "--no-python"}
    assert len(named) > 6
    assert not {word for word in named if not re.search(rf"{word}\b", known)}


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("imgsz", "here it is called size"),
        ("crop", "here it is called size"),
        ("preprocessing.crop", "here it is called size"),
        ("IMG-SIZE", "here it is called size"),
        ("bs", "here it is called batch_size"),
        ("learning_rate", "here it is called lr"),
        ("epochs", "give --epochs 5"),
        ("ema", "average the weights with --set"),
        ("optim", "here it is called optimizer"),
        ("adam", "name the optimizer (SGD, AdamW, LAMB or RMSProp)"),
        ("lrr", "nearest: lr"),
    ],
)
def test_hints(key: str, hint: str) -> None:
    _, errors = overrides([(key, 1)])
    assert hint in str(errors[0])


def test_hints_in_documents_and_networks() -> None:
    with pytest.raises(RequestError, match=r'no setting "optimizer\.learning_rate" \(here it is called lr'):
        make_recipe({"optimizer": {"learning_rate": 1}})
    with pytest.raises(RequestError, match=r'no setting "groups" \(here it is called cardinality'):
        find("resnet50").spec.but(groups=32)
    assert setting_hint("imgsz", ["length"]) != "here it is called size"  # not where there is no such setting


def test_hints_on_options() -> None:
    options = ["--batch-size", "--set"]
    assert option_hint("--batch", options) == "here it is --batch-size"
    assert option_hint("--imgsz", options) == "here it is a setting: --set size=..."
    assert option_hint("--imgsz", ["--out"]) is None
    assert option_hint("--optimizer", options) == "here it is a setting: --set optimizer=..."
    assert option_hint("--nosuch", options) is None
