"""`cardinet settings`: every setting for a reader, as a document, and the way to it in messages."""

from __future__ import annotations

import json

from cardinet.train.recipe_files import recipe_names
from cli.cli_runner import Cli

WAY = "`cardinet settings` lists all."


def test_settings_for_a_reader_and_as_a_document(cli: Cli) -> None:
    said = cli("settings", "flip")
    assert said.code == 0
    assert "Flip.probability = 0.5  number from 0 to 1\n" in said.out
    assert said.err == "1 setting. Give one by --set KEY=VALUE, or in a recipe.\n"
    (group,) = json.loads(cli("settings", "AdamW", "--json").out)
    assert (group["name"], group["role"], group["example"]) == ("AdamW", "optimizer", "optimizer=AdamW(lr=0.001)")
    assert group["settings"][0] == {
        "name": "lr",
        "key": "lr",
        "path": "optimizer.lr",
        "type": "number above 0",
        "default": "0.001",
        "sentence": "The highest learning rate, which the schedule moves.",
    }
    assert len(json.loads(cli("settings", "--json").out)) > 50


def test_what_matches_nothing_names_the_nearest(cli: Cli) -> None:
    said = cli("settings", "momentun")
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith('No setting matches "momentun" (nearest: momentum')
    assert json.loads(cli("settings", "momentun", "--json").out) == []


def test_messages_on_what_is_unknown_show_the_way_once(cli: Cli) -> None:
    for words in (
        ("info", "resnet20_cifar", "--set", "foo=1", "--set", "bar=2", "--set", "gate=SE(3)"),
        ("train", "resnet20_cifar", "--dry-run", "--set", "foo=1", "--set", "optimizer=LAMB", "--set", "data.limt=2"),
        ("train", "resnet20_cifar", "--dry-run", "--set", "optimizer=SGD(mom=0.5)"),
        ("check-data", "digits", "--set", "limt=2"),
    ):
        said = cli(*words)
        assert said.code == 2, words
        assert said.err.count(WAY) == 1, said.err
    assert WAY not in cli("train", "resnet20_cifar", "--dry-run", "--set", "lr=-1").err


def test_recipes_have_one_line_each_and_one_of_them_all_its_words(cli: Cli) -> None:
    said = cli("list", "--recipes")
    names = [line.split()[0] for line in said.out.splitlines()]
    assert names == recipe_names()
    assert said.err.startswith(f"{len(names)} recipes.")
    assert [line.split()[0] for line in cli("list", "--recipes", "wide resnet").out.splitlines()] == ["paper-wrn-cifar"]
    assert [line.split()[0] for line in cli("list", "--recipes", "rsb-a?").out.splitlines()] == [
        "rsb-a1",
        "rsb-a2",
        "rsb-a3",
    ]
    one = cli("list", "--recipes", "quick").out
    assert one.splitlines()[0].startswith("quick: ")
    assert one.splitlines()[2].startswith("command   cardinet train ")
    (document,) = json.loads(cli("list", "--recipes", "rsb-a2", "--json").out)
    assert document["commands"] == ["cardinet train resnet50 --data imagenet:PATH --recipe rsb-a2"]
    assert document["text"].startswith("# rsb-a2: ")
    assert cli("list", "--recipes", "zzz").err.startswith('No recipe matches "zzz".')
