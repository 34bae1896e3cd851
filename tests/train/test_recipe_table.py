"""Every built-in recipe: its words are true, nothing in it is written twice or without effect, and it trains."""

from __future__ import annotations

import math
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cardinet.base.errors import RequestError
from cardinet.base.settings import merge, parse_assignments
from cardinet.networks.document import to_document
from cardinet.networks.registry import NETWORKS, find
from cardinet.runs.metrics import read_rows
from cardinet.runs.toml_writer import dumps
from cardinet.train.job import start
from cardinet.train.listener import Listener
from cardinet.train.recipe import Recipe, make_recipe, overrides, recipe_document
from cardinet.train.recipe_files import head_of, recipe_names, recipe_text
from cardinet.train.request import Request, resolve
from cardinet.train.schedules.exponential import Exponential
from cardinet.train.schedules.step import Step
from networks.small_networks import SMALL

NAMES = recipe_names()
COUNT = 31

TINY = "residual"
NETWORKS_OF_PAPERS: Mapping[str, str] = {
    "paper-densenet-cifar": "DenseNet",
    "paper-fractalnet": "FractalNet",
    "paper-fusion": "merge-and-run",
    "paper-googlenet": "GoogLeNet",
    "paper-highway": "Highway",
    "paper-imagenet-120": "merge-and-run, concatenated",
    "paper-inception": "Inception",
    "paper-multi-resnet": "copies, pre-activation",
    "paper-preact-cifar": "pre-activation",
    "paper-repvgg": "RepVGG",
    "paper-resnest": "split attention",
    "paper-senet": "squeeze and excitation",
    "paper-sknet": "selective kernels",
}
"""The small network of its family with which a recipe is tried; the others have a residual one."""


@pytest.fixture(scope="module")
def small_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 8 pictures of 32 x 32 pixels, and 2 more of each for validation."""
    root, rng = tmp_path_factory.mktemp("small"), np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2)):
        for name in ("ant", "bee", "cat"):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.png")
    return root


def test_the_recipes_counted() -> None:
    assert len(NAMES) == COUNT
    assert set(NETWORKS_OF_PAPERS) < set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if "--set" in recipe_text(name)])
def test_every_setting_that_a_head_names_is_one(name: str) -> None:
    words = head_of(recipe_text(name)).text.replace("\n", " ")
    settings = re.findall(r"""--set ([\w.]+=(?:'[^']*'|"[^"]*"|[^\s,;:)]+))""", words)
    named = [shlex.split(found)[0].rstrip(".`") for found in settings]
    assert named
    for word in named:
        delta, errors = overrides(parse_assignments([word]).items())
        assert errors == [], word
        for kind in make_recipe(recipe_document(name)).fits:
            make_recipe(merge(recipe_document(name, kind), delta))


def test_the_heads_that_name_settings_counted() -> None:
    assert sum("--set" in recipe_text(name) for name in NAMES) >= 12


def test_every_paper_has_a_recipe() -> None:
    """Of each paper whose networks can be built, a head names the number; those networks exist."""
    every = {paper for row in NETWORKS.values() for paper in re.findall(r"\d{4}\.\d{4,5}|NIPS 2012", row.paper)}
    assert len(every) >= 20
    told = " ".join(head_of(recipe_text(name)).text for name in NAMES)
    assert {paper for paper in every if paper not in told} == set()


def test_a_head_names_networks_that_exist() -> None:
    count = 0
    for name in NAMES:
        for word in re.findall(r"\b[a-z]+[a-z0-9]*(?:_[a-z0-9]+)+\b", head_of(recipe_text(name)).text):
            if any(word.startswith(id.partition("_")[0]) for id in NETWORKS):
                find(word)
                count += 1
    assert count >= 35


def leaves(document: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in document.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def without(document: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    if len(path) == 1:
        return {key: value for key, value in document.items() if key != path[0]}
    return {**document, path[0]: without(document[path[0]], path[1:])}


def resolved_recipes(path: Path) -> list[Recipe]:
    """The recipe of a file for every kind of pictures, without its name."""
    return [
        make_recipe(recipe_document(str(path), kind)).model_copy(update={"name": ""})
        for kind in make_recipe(recipe_document(str(path))).fits
    ]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_a_recipe_says_what_its_base_says(name: str, tmp_path: Path) -> None:
    """Each of its settings changes the recipe: without it another one results. Where lr is meant for another batch,
    both are written, as one means nothing without the other.
    """
    own = tomllib.loads(recipe_text(name))
    if "base" not in own:
        return
    file = tmp_path / "own.toml"
    file.write_text(recipe_text(name))
    whole = resolved_recipes(file)
    for path in leaves(own):
        if path == ("base",) or path[-1] == "part" or path[-2:] in {("optimizer", "lr"), ("optimizer", "lr_for_batch")}:
            continue
        file.write_text(dumps(without(own, path)))
        with suppress(RequestError):  # then it cannot be left out
            assert resolved_recipes(file) != whole, f"{name}: {'.'.join(path)} has no effect"


def asked(name: str, pictures: Mapping[str, str], weights: Path) -> dict[str, Any]:
    """What a request for a recipe needs: pictures of a kind that it fits, and weights if it starts from some."""
    document = recipe_document(name)
    kind = make_recipe(document).fits[0]
    return {"source": pictures[kind], "weights": str(weights) if document.get("from_weights") else None}


@pytest.fixture(scope="module")
def pictures(small_pictures: Path, photographs: Path) -> Mapping[str, str]:
    """By kind: a source."""
    return {"tiny": "digits", "small": str(small_pictures), "photographs": str(photographs)}


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_takes_its_own_network_as_it_is(name: str, pictures: Mapping[str, str], teacher: Path) -> None:
    """All that a dry run checks."""
    found = asked(name, pictures, teacher)
    network = "resnet20_cifar" if name == "prune" else None
    request = Request(network, name, (("data.source", found["source"]),), weights=found["weights"])
    task = resolve(request, Listener()).task
    assert task.recipe.name == name
    assert task.clock.length > 10


STEPS = 4


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_some_steps_of_every_recipe(name: str, pictures: Mapping[str, str], teacher: Path, tmp_path: Path) -> None:
    """With a small network of the family: its changes to the description fit, and the losses are numbers."""
    found = asked(name, pictures, teacher)
    settings: dict[str, Any] = {
        "data.source": found["source"],
        "data.limit": 24,
        "training.length": f"{STEPS} steps",
        "training.log_every": "1 step",
        "training.evaluate_every": f"{STEPS} steps",
        "training.batch_size": 6,
        "machine.threads": 1,
        "machine.precision": "float32",
        "machine.workers": 0,
        "schedule.warmup": "50 %",
    }
    schedule = type(make_recipe(recipe_document(name)).schedule)
    settings |= {"schedule.drops": ["75 %"]} if schedule is Step else {}
    settings |= {"schedule.every": "2 steps"} if schedule is Exponential else {}
    settings |= (
        {"preprocessing.size": 32, "preprocessing.resize": 36} if found["source"] == pictures["photographs"] else {}
    )
    if found["weights"] is None:
        settings["network.spec"] = to_document(SMALL[NETWORKS_OF_PAPERS.get(name, TINY)])
    small = {"ProgressiveResizing.start": 24, "ProgressiveResizing.end": 24, "AuxiliaryHeads.grid": 5}
    methods = recipe_document(name).get("methods", {})
    settings |= {f"methods.{key}": value for key, value in small.items() if key.partition(".")[0] in methods}
    request = Request(None, name, tuple(settings.items()), weights=found["weights"], out=tmp_path / "run")
    folder = start(resolve(request, Listener()), Listener())
    losses = [row["loss"] for row in read_rows(folder.metrics) if row["kind"] == "train"]
    assert len(losses) == STEPS
    assert all(math.isfinite(loss) for loss in losses)


def test_the_table_of_papers_names_every_recipe_and_networks_that_exist() -> None:
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    assert len(rows) == 25
    named = {word for row in rows[1:] for word in re.findall(r"`([^`]+)`", row[2])}
    others = set(re.findall(r"`([a-z-]+)`", text[text.index("Others:") : text.index("## The rate")]))
    assert named | others == set(NAMES)
    for row in rows[1:]:
        for id in re.findall(r"`([^`]+)`", row[1]):
            find(id)
