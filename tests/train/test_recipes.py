"""The built-in recipes fit the pictures that they name; bases and deltas; what is refused."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from cardinet.base.errors import RequestError
from cardinet.base.settings import Settings, merge, parse_assignments, put, validate
from cardinet.data.augmentations.flip import Flip
from cardinet.data.augmentations.pad_crop import PadCrop
from cardinet.data.augmentations.resized_crop import ResizedCrop
from cardinet.data.data_settings import AUGMENTATIONS, DataSettings
from cardinet.networks.registry import find
from cardinet.runs.old_keys import RENAMED
from cardinet.train.clock import TrainingSettings, make_clock
from cardinet.train.listener import Listener
from cardinet.train.optimizers.sgd import SGD
from cardinet.train.recipe import (
    KINDS,
    METHODS,
    OBJECTIVES,
    OPTIMIZERS,
    SCHEDULES,
    MachineSettings,
    PreprocessingSettings,
    Recipe,
    make_recipe,
    overrides,
    recipe_document,
)
from cardinet.train.recipe_files import head_of, recipe_names, recipe_text
from cardinet.train.request import Request, resolve
from cardinet.train.schedules.cosine import Cosine
from cardinet.train.schedules.exponential import Exponential
from cardinet.train.schedules.step import Step

NAMES = recipe_names()
FITS = [(name, kind) for name in NAMES for kind in make_recipe(recipe_document(name)).fits]


def recipe(name: str, kind: str | None = None) -> Recipe:
    return make_recipe(recipe_document(name, kind))


def test_the_recipes_counted() -> None:
    """31 files: those of papers have one kind of pictures, six others all three."""
    assert len(NAMES) == 31
    papers = [name for name in NAMES if name.startswith(("paper-", "rsb-"))]
    assert (len(papers), len(FITS)) == (24, 24 + 1 + 6 * 3)


@pytest.mark.parametrize(("name", "kind"), FITS)
def test_a_recipe_is_valid_for_each_kind_that_it_fits(name: str, kind: str) -> None:
    """It names itself and a network that exists, and its durations make sense for 5,000 pictures."""
    made = recipe(name, kind)
    assert made.name == name
    find(made.network.id)
    times = make_clock(made.training, 5000)
    made.schedule.check(times)
    steps = [*range(0, times.length, max(1, times.length // 1000)), times.length - 1]
    shares = [made.schedule.share(step, times) for step in steps]
    assert max(shares) == pytest.approx(1, rel=0.02)
    assert shares[-1] <= (0.3 if isinstance(made.schedule, Exponential) else 1 / 50)


@pytest.mark.parametrize("name", NAMES)
def test_the_header_says_command_result_and_time(name: str) -> None:
    text = recipe_text(name)
    head = head_of(text)
    assert head.text.startswith(f"{name}: {head.title}")
    assert head.title.endswith(".")
    assert all((head.commands, head.expected, head.times)) or name == "quick"
    assert "MEASURED" not in text
    assert re.search(r"\b(s|minutes|hours?|days?|weeks|GPUs)\b", " ".join((*head.times, *head.expected)))
    for words in (shlex.split(command.split("   (")[0]) for command in head.commands):
        assert words[:2] == ["cardinet", "train"]
        assert (words[words.index("--recipe") + 1] if "--recipe" in words else "quick") == name
        if len(words) > 2 and not words[2].startswith("-"):
            find(words[2])


def test_the_recipe_of_resnet_on_cifar() -> None:
    """He et al. 2015, Section 4.2: 64k iterations, drops at 32k and 48k, on the data of paper-cifar."""
    made = recipe("paper-resnet-cifar", "small")
    times = make_clock(made.training, 390 * 128)
    assert isinstance(made.schedule, Step)
    assert (times.length, [times.steps(drop) for drop in made.schedule.drops]) == (64_000, [32_000, 48_000])
    assert isinstance(made.optimizer, SGD)
    assert (made.optimizer.weight_decay, made.optimizer.nesterov, made.optimizer.momentum) == (1e-4, False, 0.9)
    assert made.augmentation == recipe("paper-cifar", "small").augmentation


def test_the_kind_lays_its_delta_over_the_recipe() -> None:
    assert recipe("quick").network.id == "auto"
    found = {kind: recipe("quick", kind).network.id for kind in KINDS}
    assert found == {"tiny": "resnext11_8x16d_digits", "small": "resnet20_cifar", "photographs": "resnet18"}
    assert recipe("quick", "photographs").optimizer.lr == 0.05
    assert recipe("quick", "tiny").augmentation == {"PadCrop": PadCrop(pad=1)}


def test_a_base_lies_beneath() -> None:
    """`finetune` keeps what it does not say from `quick`, also what `quick` says of a kind of pictures."""
    made = recipe("finetune", "photographs")
    assert made.optimizer.lr == 0.01
    assert made.optimizer.weight_decay == 1e-4
    assert made.training.batch_size == recipe("quick", "photographs").training.batch_size == 32
    assert made.augmentation == {"Flip": Flip(probability=0.5), "ResizedCrop": ResizedCrop(area=(0.4, 1.0))}
    assert str(made.schedule.warmup) == "10 %"
    assert recipe("finetune", "tiny").machine.threads == 1


def write(folder: Path, name: str, text: str) -> str:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return str(path)


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    """A file on a built-in recipe; a second file on the first; the nearer one wins, kind by kind."""
    first = write(tmp_path, "first", 'base = "quick"\noptimizer.lr = 0.3\n[for.tiny]\ntraining.length = "2 epochs"\n')
    second = write(tmp_path, "second", f'base = "{first}"\n[training]\nclip = 1.0\n[for.tiny]\noptimizer.lr = 0.2\n')
    made = recipe(second, "tiny")
    assert (made.optimizer.lr, made.training.clip) == (0.2, 1.0)
    assert made.optimizer.weight_decay == recipe("quick", "tiny").optimizer.weight_decay == 2e-3
    assert str(made.training.length) == "2 epochs"
    assert recipe(second, "small").optimizer.lr == 0.3
    assert made.name == str(tmp_path / "second")


def test_a_circle_of_bases_is_refused(tmp_path: Path) -> None:
    one, other = str(tmp_path / "one.toml"), str(tmp_path / "other.toml")
    Path(one).write_text(f'base = "{other}"\n')
    Path(other).write_text(f'base = "{one}"\n')
    with pytest.raises(RequestError, match="is its own base") as caught:
        recipe_document(one)
    assert f"{one} -> {other} -> {one}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer.lr = ", "is not TOML"),
        ("[for.huge]\noptimizer.lr = 1\n", "pictures are tiny, small, photographs"),
        ('base = "quik"\n', 'There is no recipe "quik" (nearest: quick)'),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        recipe_document(write(tmp_path, "own", text))
    assert message in str(caught.value)


def test_every_wrong_setting_is_found_at_once() -> None:
    document = {"optimizer": {"lr": -1, "momentun": 0.9}, "training": {"length": 40}, "machine": {"precision": "half"}}
    with pytest.raises(RequestError) as caught:
        make_recipe(document)
    assert len(caught.value.findings) == 4
    text = str(caught.value)
    for part in ("optimizer.lr = -1", "nearest: optimizer.momentum", '"40 epochs"', "machine.precision = 'half'"):
        assert part in text


def test_one_setting_said_twice_is_refused() -> None:
    delta, errors = overrides([("optimizer.lr", 0.1), ("lr", 0.2), ("batch_size", 8), ("network.cardinality", 4)])
    (error,) = errors
    assert "optimizer.lr" in str(error)
    assert "twice" in str(error)
    assert delta["training"] == {"batch_size": 8}
    assert delta["network"] == {"delta": {"cardinality": 4}}


OWN_SETTINGS = [
    ("fractalnet20", "columns=2", {"columns": 2}),
    ("densenet_40_12", "compression=0.25", {"compression": 0.25}),
    ("googlenet", "naive=true", {"naive": True}),
    ("resnest14d", "radix=1", {"radix": 1}),
    ("se_resnet_110_cifar", "reduction=8", {"reduction": 8}),
    ("sd110_cifar", "rule=uniform", {"rule": "uniform"}),
    ("alexnet_2012", "norm=none", {"norm": "none"}),
    ("resnet20_cifar", "gate=SqueezeExcite(reduction=8) reduction=4", {"gate.reduction": 4}),
    ("resnet20_cifar", "shortcut.pad=both", {"shortcut.pad": "both"}),
]


@pytest.mark.parametrize("prefix", ["", "network."])
@pytest.mark.parametrize(("network", "words", "same"), OWN_SETTINGS)
def test_every_network_takes_its_own_settings(network: str, words: str, same: dict[str, object], prefix: str) -> None:
    """Also those that only this network has, or a part that another setting puts in."""
    request = Request(network=network, assignments=tuple(prefix + word for word in words.split()))
    whole = {"gate": "SqueezeExcite"} if "gate" in words else {}
    assert described(request) == find(network).spec.but(**whole, **same) != find(network).spec


def described(request: Request) -> object:
    """The network's description that a request comes to."""
    delta, errors = overrides([("network.id", request.network), *parse_assignments(list(request.assignments)).items()])
    assert errors == []
    made = make_recipe(merge(recipe_document(request.recipe), delta))
    return find(made.network.id).spec.but(**made.network.delta)


def test_a_setting_of_other_networks_is_refused_by_the_network() -> None:
    with pytest.raises(RequestError, match=r'A network of this kind has no setting "columns"'):
        resolve(Request(network="resnet20_cifar", assignments=("columns=2",)), Listener())


@pytest.mark.parametrize(("key", "value", "path"), [("pad", "end", "augmentation.PadCrop.pad")])
def test_a_name_that_recipe_and_network_share(key: str, value: str, path: str) -> None:
    """It is the recipe's; where that refuses the value, it says how to reach the network's."""
    (error,) = overrides([(key, value)])[1]
    assert f"{path} = '{value}'" in str(error)
    assert f"write network.{key}." in str(error)
    assert overrides([(f"network.{key}", value)]) == ({"network": {"delta": {key: value}}}, [])
    right = {"pad": 2}[key]
    expected: dict[str, Any] = {}
    put(expected, tuple(path.split(".")), right)
    assert overrides([(key, right)]) == (expected, [])


def test_an_unknown_name_is_told_the_nearest_of_recipes_and_networks() -> None:
    errors = overrides([("batchsize", 8), ("colums", 2)])[1]
    assert [str(error).partition("nearest: ")[2].split(", ")[0].rstrip(").") for error in errors] == [
        "batch_size",
        "columns",
    ]


def test_a_base_is_looked_for_beside_its_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "common", 'base = "quick"\noptimizer.lr = 0.7\n')
    monkeypatch.chdir("/")
    assert recipe(write(tmp_path, "mine", 'base = "common.toml"\n')).optimizer.lr == 0.7


SAID_TWICE = {
    "optimizer.lr": ["optimizer=AdamW(lr=1)", "lr=0.5"],
    "schedule.part": ["schedule.kind=step", "schedule=Cosine"],
    "methods.WeightAverage": ["methods.WeightAverage=none", "methods=WeightAverage(decay=0.9)"],
    "methods.WeightAverage.decay": ["methods=WeightAverage(decay=0.9)", "methods.WeightAverage.decay=0.8"],
    "augmentation.Flip": ["augmentation.Flip=none", "augmentation.Flip.probability=1"],
    "augmentation.PadCrop.pad": ["augmentation=PadCrop(pad=2)", "pad=3"],
}
SAID_ONCE = [
    ["optimizer=AdamW(weight_decay=0.1)", "lr=0.5"],
    ["schedule.kind=step", "factor=0.5"],
    ["augmentation=none", "augmentation.Flip.probability=1"],
    ["augmentation=Flip", "augmentation.PadCrop.pad=2"],
]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_part_and_its_setting_may_not_say_two_things(backwards: bool) -> None:
    """In either order; a whole part and a setting that it leaves open go together."""
    for path, words in SAID_TWICE.items():
        pairs = list(parse_assignments(words).items())
        found = overrides(reversed(pairs) if backwards else pairs)[1]
        assert [str(error) for error in found] == [f"{path} is given twice; give it once, by its option or by --set."]
    for words in SAID_ONCE:
        assert overrides(parse_assignments(words).items())[1] == []
    assert (len(SAID_TWICE), len(SAID_ONCE)) == (6, 4)


def own(tmp_path: Path, text: str) -> str:
    (tmp_path / "own.toml").write_text(f'base = "quick"\n{text}')
    return str(tmp_path / "own.toml")


def test_an_old_key_beside_its_current_one_is_refused(tmp_path: Path) -> None:
    """For every old key. Alone it is the same as the current one."""
    for old, new in RENAMED.items():
        text = f"{'.'.join(old)} = 1\n"
        document: Any = recipe_document(own(tmp_path, text))
        for name in new:
            document = document[name]
        assert document == 1, old
        with pytest.raises(
            RequestError, match=f"{'.'.join(old)} is the old key of {'.'.join(new)}, and both are given"
        ):
            recipe_document(own(tmp_path, text + f"{'.'.join(new)} = 2\n"))
    assert len(RENAMED) == 19
    with pytest.raises(RequestError, match=r"schedule\.kind is the old key"):
        recipe_document(own(tmp_path, 'schedule.kind = "step"\nschedule.part = "Cosine"'))


def test_an_old_schedule_of_a_base_gives_way(tmp_path: Path) -> None:
    document = recipe_document(own(tmp_path, 'schedule.kind = "step"\nschedule.drops = ["50 %"]'))
    delta, errors = overrides([("schedule", "Cosine(final=0.2)")])
    assert not errors
    assert make_recipe(merge(document, delta)).schedule == Cosine(final=0.2)


def test_an_old_crop_is_switched_off_in_the_old_way() -> None:
    delta, errors = overrides([("resized_crop", "none")])
    assert not errors
    document = merge(recipe_document("paper-imagenet", "photographs"), delta)
    assert "ResizedCrop" in make_recipe(recipe_document("paper-imagenet", "photographs")).augmentation
    assert "ResizedCrop" not in make_recipe(document).augmentation


def test_a_group_that_is_none_is_refused_below_every_delta(tmp_path: Path) -> None:
    """A delta's own settings do not hide it."""
    groups = [name for name, field in Recipe.model_fields.items() if name not in ("name", "from_weights", "fits")]
    assert len(groups) == 10
    for name in groups:
        with pytest.raises(RequestError) as caught:
            recipe_document(own(tmp_path, f"{name} = 5"))
        assert len(caught.value.findings) == 1
        assert caught.value.findings[0].startswith(f"{name} = 5: ")


def test_all_faults_of_a_recipe_are_told_whatever_one_hides_another(tmp_path: Path) -> None:
    text = 'optimizer = "Foo"\n[training]\nclip = -3\n[for.tiny]\nschedule = "Bar"\n[for.huge]\nlr = 1\n'
    request = Request(recipe=own(tmp_path, text), assignments=("batch_size=0", "device=tpu"))
    with pytest.raises(RequestError) as caught:
        resolve(request, Listener())
    told = "\n".join(caught.value.findings)
    for words in ("optimizer", "clip = -3", '"Bar"', "for.huge", "batch_size = 0", '"tpu"'):
        assert told.count(words) == 1, words
    assert len(caught.value.findings) == 6


def test_truth_is_no_number() -> None:
    """True would be 1, also within a list."""
    parts = [
        row for table in (OPTIMIZERS, SCHEDULES, OBJECTIVES, METHODS, AUGMENTATIONS) for row in table.rows.values()
    ]
    models: list[type[Settings]] = [*parts, DataSettings, PreprocessingSettings, MachineSettings, TrainingSettings]
    count = 0
    for model in models:
        for name, field in model.model_fields.items():
            text = str(field.annotation)
            if not re.search(r"\b(int|float)\b", text) or "bool" in text:
                continue
            count += 1
            for value in (True, [True, 0.5]):
                with pytest.raises(RequestError, match=f"{name} = .*: Input should be a number, not true or false"):
                    validate(model, {name: value})
    assert count >= 42
