"""Wrong requests over all verbs, options and settings: what a tired, a mistaken or a hostile user types.

A request is right and short but for one wrong value; later ones have two. The verbs and options are those of the
application itself, the settings those of recipes and of every part of a network, so that a new one is covered when it
is there. Every one of them comes once before any comes twice.
"""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from cli.cli_runner import command_line
from fuzzing.forked import Ended, command, warm
from fuzzing.values import DEVICES, DURATIONS, LIMITS, NUMBERS, PATHS, SOURCES, STRUCTURES, TEXTS
from fuzzing.world import world

COUNTED = ("tracebacks", "hangs", "over_memory", "changed", "not_right")
SHOWN = 12
"""Examples of each kind on stderr."""

Words = Mapping[str, str | tuple[str, ...] | bool]
"""The parameters of a request by the names that they have in the program; True is a flag."""

RIGHT: dict[str, tuple[Words, ...]] = {
    "list": ({},),
    "info": ({"model": "resnet20_cifar"}, {"model": "model.safetensors"}, {"model": "ror3_56", "draw": "new.svg"}),
    "settings": ({}, {"pattern": "flip"}),
    "plan": (
        {"like": "resnext29_8x64d", "cardinality": "1,2"},
        {"like": "resnet20_cifar", "budget": ("macs=1e9", "memory=9GB"), "depth": "0.5,1", "draw": "new.svg"},
    ),
    "check-data": ({"source": "set", "workers": "0"},),
    "train": (
        {"dry_run": True, "epochs": "1", "settings": ("limit=40", "threads=1"), "workers": "0"},
        {"dry_run": True, "data": "set", "network": "resnet20_cifar", "epochs": "1", "workers": "0"},
    ),
    "eval": (
        {"model": "model.safetensors", "data": "set", "split": "all", "workers": "0"},
        {"model": "done", "workers": "0"},
    ),
    "predict": ({"model": "model.safetensors", "pictures": "red.png", "workers": "0"},),
    "rewrite": ({"model": "model.safetensors", "out": "new.safetensors", "classes": "a,b,c"},),
    "bench": (
        {"model": "model.safetensors", "against": "none", "batch_size": "1", "seconds": "0.1", "threads": "1"},
        {"model": "resnet20_cifar", "against": "torchvision", "batch_size": "1", "seconds": "0.1", "out": "new.html"},
    ),
    "export": (
        {"model": "model.safetensors", "format": "torch-export", "out": "new.pt2", "data": "set", "pictures": "2",
         "workers": "0"},
    ),
    "explain": (
        {"question": "paths", "model": "resnet20_cifar"},
        {"question": "paths", "model": "model.safetensors", "source": "set", "out": "new.html", "workers": "0"},
    ),
    "reproduce": ({}, {"names": "equal-counts", "out": "book"}),
    "report": ({"runs": "done", "out": "new.html"},),
    "sweep": ({"file": "sweep.toml", "out": "new", "dry_run": True},),
    "push": ({"model": "model.safetensors", "repo": "me/x", "dry_run": "new", "license": "mit"},),
}  # fmt: skip
"""Requests that are right and short, by verb."""

WITH: dict[tuple[str, str], Words] = {
    ("train", "resume"): {
        "resume": "done",
        **dict.fromkeys(("data", "epochs", "workers", "settings", "dry_run"), False),
    },
    **{
        ("rewrite", name): {"prune": True, "keep_macs": "0.9", "data": "set", "epochs": "40", "classes": False}
        for name in ("prune", "keep_macs", "epochs", "settings", "data")
    },
    ("export", "opset"): {"format": "onnx", "out": "new.onnx"},
    ("export", "int8"): {"format": "onnx", "out": "new.onnx"},
    ("explain", "arrays"): {"question": "embed", "model": "model.safetensors", "source": "set", "workers": "0",
        "settings": ("map=none", "shown=0"), "arrays": "new.npz"},
    ("eval", "top"): {"out": "new.csv"},
    ("eval", "weights"): {"model": "resnet20_cifar", "weights": "weights.pth", "data": "digits", "split": "test",
        "settings": ("shortcut.pad=end",)},
    ("eval", "mean"): {"std": "1,1,1"},
    **{
        ("reproduce", name): {"names": "equal-counts", "out": "book"}
        for name in ("every", "scale", "data", "seeds", "out", "jobs")
    },
    **{
        ("plan", name): {"like": "resnet20_cifar", "budget": "macs=1e9", "cardinality": False}
        for name in ("budget", "family", "depth", "width", "capacity", "input_size", "batch_size", "draw")
    },
    ("eval", "std"): {"mean": "0,0,0"},
}  # fmt: skip
"""What a parameter needs beside it to be looked at; False leaves another out."""

NAMED_BY = {"info": "model", "train": "network", "explain": "question"}
"""By verb: the parameter that names what has a setting."""

OF: dict[str, Words] = {"explain": {"model": "model.safetensors", "source": "set", "workers": "0"}}
"""By verb: what a request needs beside the name of what has a setting."""

POOLS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("out", "pictures", "runs", "recipe", "resume", "dry_run", "draw", "arrays"), PATHS),
    **dict.fromkeys(("store", "decisions", "contrast"), PATHS),
    "model": PATHS + TEXTS,
    "weights": PATHS + TEXTS + ("timm:", "torchvision:nothere", "hub:", "hub:a/b/c", "torchvision:pipe"),
    "data": SOURCES,
    "source": SOURCES,
    "device": DEVICES,
    "spec": PATHS,
    "budget": LIMITS + TEXTS,
    "crops": NUMBERS + TEXTS,
    **dict.fromkeys(("network", "pattern", "like", "split", "repo", "format", "license", "classes", "widen"), TEXTS),
    **dict.fromkeys(
        ("message", "revision", "form", "on_bad_image", "question", "names", "scale", "family", "capacity"), TEXTS
    ),
}
"""Wrong values by the name of a parameter or setting; any other has numbers."""

MET_BY_DATA = ("depths", "widths", "num_classes", "in_channels", "cardinality", "gate", "stem")
"""Fields of networks that are given to training too, where a source meets them."""

ANY = NUMBERS + TEXTS + DURATIONS + STRUCTURES
"""For a setting whose kind is not told by its name."""


@dataclass(frozen=True)
class Slot:
    """One place of a request that a wrong value can take: a parameter, or with `key` a setting.

    `of` is what has the setting: the name of a network, or of a question.
    """

    verb: str
    parameter: str
    key: str = ""
    of: str = ""

    def values(self) -> tuple[str, ...]:
        """What is wrong, or odd, there."""
        name = self.key.rpartition(".")[2] or self.parameter
        if self.parameter == "settings":
            return POOLS.get(name, ANY)
        return POOLS.get(name, NUMBERS + DURATIONS if name == "epochs" else NUMBERS)


def run(seed: int, count: int, *, trained: bool = True) -> dict[str, int]:
    """`count` requests; the counts of their exit codes and of what must not be. Examples go to stderr.

    Where none is `trained`, there is no finished run in their folder.
    """
    warm()
    found = dict.fromkeys(("requests", "exit_0", "exit_1", "exit_2", "exit_130", *COUNTED, "other_codes"), 0)
    with world(trained=trained) as place:
        for words in right() if trained else ():  # else what is wrong on purpose would never be met
            ended = command(words, place.root)
            if ended.code != 0:
                found["not_right"] += 1
                print(f"not right: {words}\n{_end(ended)}", file=sys.stderr, flush=True)
            place.restore()
        for _, words in zip(range(count), requests(seed), strict=False):
            ended = command(words, place.root)
            found["requests"] += 1
            code = f"exit_{ended.code}"
            found[code if code in found else "other_codes"] += 1
            differs, changed = place.changes()
            if "--resume" in words:  # which goes on in a run: its files change, those beside it do not
                changed = [path for path in changed if not path.startswith(f"{place.root}/done/")]
            for kind in _wrong(ended, changed):
                found[kind] += 1
                if found[kind] <= SHOWN:
                    print(
                        f"{kind}: {[word[:80] for word in words]} {changed}\n{_end(ended)}", file=sys.stderr, flush=True
                    )
            if differs:
                place.restore()
    return found


def right() -> Iterator[list[str]]:
    """The requests that are right, also with what some parameters need beside them."""
    for verb, all_of_verb in RIGHT.items():
        for words in all_of_verb:
            yield _typed(verb, words)
    for (verb, _), more in WITH.items():
        yield _typed(verb, {**RIGHT[verb][0], **more})


def requests(seed: int) -> Iterator[list[str]]:
    """Requests without end: each slot once in a seeded order, then one at random, or two of a verb at once."""
    draw = random.Random(seed)
    every = list(slots())
    draw.shuffle(every)
    for slot in every:
        yield request(draw, slot)
    while True:
        first = draw.choice(every)
        others = [slot for slot in every if slot.verb == first.verb and slot.parameter != first.parameter]
        second = draw.choice(others) if others and draw.random() < 0.4 else None
        yield request(draw, first, second)


def slots() -> Iterator[Slot]:
    """Every place for a wrong value: parameters of all verbs, settings of recipes, fields of the parts of networks."""
    from cardinet.base.settings import setting_paths
    from cardinet.data.data_settings import DataSettings
    from cardinet.explain.questions import QUESTIONS
    from cardinet.train.recipe import Recipe

    for verb, parameters in verbs().items():
        for name in parameters:
            if name != "settings":
                yield Slot(verb, name)
    for path in setting_paths(Recipe):
        yield Slot("train", "settings", ".".join(path))
        if path[0] in ("pruning", "training", "optimizer"):
            yield Slot("rewrite", "settings", ".".join(path))
    for verb in ("check-data", "eval", "predict", "export"):
        for name in DataSettings.model_fields:
            yield Slot(verb, "settings", name)
    for verb in verbs():
        if "settings" in verbs()[verb]:
            for key in ("", "nothing", "a.b.c", "a." * 3000 + "a", "\x1b[2J", "network.network", "lr.x", "[", '"'):
                yield Slot(verb, "settings", key)
    for question, row in QUESTIONS.items():
        for name in row.load().model_fields:
            yield Slot("explain", "settings", name, question)
    for setting, model in _fields():
        yield Slot("info", "settings", setting, model)
        if setting.rpartition(".")[2] in MET_BY_DATA:
            yield Slot("train", "settings", setting, model)


@functools.cache
def verbs() -> dict[str, dict[str, Any]]:
    """The parameters of every verb by name."""
    commands = command_line().commands
    return {
        verb: {str(p.name): p for p in command.params if p.name != "help"} for verb, command in sorted(commands.items())
    }


def _fields() -> list[tuple[str, str]]:
    """A path to every field of every kind of part, with the name of a network that has it there."""
    from cardinet.networks.registry import NETWORKS

    found: dict[tuple[str, str], tuple[str, str]] = {}
    for name, row in NETWORKS.items():
        nodes = [("", row.spec)]
        for path, node in nodes:
            for field in fields(node):
                inner = f"{path}{field.name}"
                found.setdefault((type(node).__name__, field.name), (inner, name))
                if is_dataclass(value := getattr(node, field.name)):
                    nodes.append((f"{inner}.", value))
    return list(found.values())


def request(draw: random.Random, *places: Slot | None) -> list[str]:
    """A right request with a wrong value in one place or more."""
    first = places[0]
    assert first is not None
    words: dict[str, Any] = dict(draw.choice(RIGHT[first.verb]))
    for place in places:
        if place is None:
            continue
        words |= WITH.get((place.verb, place.parameter), {})
        if place.of:
            words |= {**OF.get(place.verb, {}), NAMED_BY[place.verb]: place.of}
        if place.parameter == "settings":
            value = f"{place.key}={draw.choice(place.values())}"
            words["settings"] = (*(words.get("settings") or ()), value)
        elif getattr(verbs()[place.verb][place.parameter], "is_flag", False):
            words[place.parameter] = place.parameter != "no_bounds" or len(places) == 1 or places[1] is None
        else:
            words[place.parameter] = draw.choice(place.values())
    return _typed(first.verb, words)


def _typed(verb: str, words: Mapping[str, Any]) -> list[str]:
    """A request as it is typed; arguments come last, and the last of them is many."""
    options: list[str] = []
    arguments: list[str] = []
    for name, parameter in verbs()[verb].items():
        given = words.get(name, False)
        is_option = parameter.opts[0].startswith("-")
        for value in given if isinstance(given, tuple) else (given,):
            if value is True:
                options.append(parameter.opts[0])
            elif value is not False:
                (options if is_option else arguments).extend([*([parameter.opts[0]] if is_option else []), value])
    end = ["--"] if any(word.startswith("-") for word in arguments) else []
    return [verb, *options, *end, *arguments]


def _wrong(ended: Ended, changed: list[str]) -> Iterator[str]:
    if ended.traceback or (ended.code not in (0, 1, 2, 130) and not (ended.hung or ended.over_memory)):
        yield "tracebacks"
    if ended.hung and not ended.err.rstrip().endswith(" left"):  # right after all and long, and says how long
        yield "hangs"
    if ended.over_memory:
        yield "over_memory"
    if changed:
        yield "changed"


def _end(ended: Ended) -> str:
    lines = ended.err.splitlines()
    places = [line for line in lines if line.startswith('  File "')][-3:] if ended.traceback else []
    return "\n".join(f"    {line[:200]}" for line in [*places, *lines[-3:]])
