"""Augmentations in recipes: how they are asked for, in today's keys and in those of before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cardinet.base.documents import parse_toml
from cardinet.base.errors import RequestError
from cardinet.base.settings import merge, parse_assignments
from cardinet.data.augmentations import Augmentation
from cardinet.data.augmentations.aug_mix import AugMix
from cardinet.data.augmentations.color_jitter import ColorJitter
from cardinet.data.augmentations.flip import Flip
from cardinet.data.augmentations.lighting import Lighting
from cardinet.data.augmentations.pad_crop import PadCrop
from cardinet.data.augmentations.rand_augment import RandAugment
from cardinet.data.augmentations.random_erasing import RandomErasing
from cardinet.data.augmentations.resized_crop import ResizedCrop
from cardinet.data.augmentations.trivial_augment import TrivialAugment
from cardinet.data.augmenting import in_order
from cardinet.data.draws import DRAWS_VERSION
from cardinet.report.run_report import collect
from cardinet.runs.folder import RunFolder
from cardinet.runs.toml_writer import dumps
from cardinet.train.job import resume
from cardinet.train.listener import Listener
from cardinet.train.recipe import make_recipe, overrides, recipe_document
from cardinet.train.request import Request, resolve
from train.runs_to_compare import DIGITS, train


def asked(*words: str, recipe: str = "quick", kind: str = "small") -> Mapping[str, Augmentation]:
    """What `--set` makes of a recipe; `quick` shifts small pictures by 4 pixels and mirrors them."""
    delta, errors = overrides(parse_assignments(list(words)).items())
    assert errors == []
    return make_recipe(merge(recipe_document(recipe, kind), delta)).augmentation


SHIFT, JITTER = PadCrop(pad=4), ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4)
SETS: list[tuple[str, list[Augmentation]]] = [
    ("", [Flip(), SHIFT]),
    ("augmentation=PadCrop(pad=2),Flip(probability=0.3)", [Flip(probability=0.3), PadCrop(pad=2)]),
    ("augmentation=Flip augmentation.Flip.probability=0.3", [Flip(probability=0.3)]),
    ("augmentation.Flip.probability=0.3 augmentation=PadCrop(pad=2),Flip", [Flip(probability=0.3), PadCrop(pad=2)]),
    ("augmentation=none augmentation.ColorJitter.hue=0.1", [ColorJitter(hue=0.1)]),
    ("augmentation=none", []),
    ("augmentation.Flip.probability=0.3", [Flip(probability=0.3), SHIFT]),
    ("augmentation.Flip=none", [SHIFT]),
    ("Flip=Flip(probability=1)", [Flip(probability=1), SHIFT]),
    ("brightness=0.4 augmentation.ColorJitter.hue=0.1", [ColorJitter(brightness=0.4, hue=0.1), Flip(), SHIFT]),
    ("augmentation=RandAugment(num_ops=3,magnitude=7)", [RandAugment(num_ops=3, magnitude=7)]),
    ("augmentation=TrivialAugment,RandomErasing(value=noise)", [RandomErasing(value="noise"), TrivialAugment()]),
    ("augmentation=none augmentation.AugMix.severity=5", [AugMix(severity=5)]),
    ("augmentation=RandAugment(operations=['Rotate','Invert'])", [RandAugment(operations=("Rotate", "Invert"))]),
    ("RandomErasing=RandomErasing(value=0) Flip=none PadCrop=none", [RandomErasing(value=0)]),
    ("PadCrop=none augmentation.ResizedCrop.area=[0.2,1]", [Flip(), ResizedCrop(area=(0.2, 1.0))]),
]
OLD_SETS: list[tuple[str, list[Augmentation]]] = [
    ("pad=2 pad_mode=mean", [Flip(), PadCrop(pad=2, pad_mode="mean")]),
    ("augmentation.pad=2 augmentation.flip=0.3", [Flip(probability=0.3), PadCrop(pad=2)]),
    ("flip=0", [Flip(probability=0), SHIFT]),
    (
        "pad=0 resized_crop=[0.2,1] ratio=[1,2]",
        [Flip(), PadCrop(pad=0), ResizedCrop(area=(0.2, 1.0), ratio=(1.0, 2.0))],
    ),
    ("brightness=0.4 contrast=0.4 augmentation.saturation=0.4", [JITTER, Flip(), SHIFT]),
    ("hue=0.1", [ColorJitter(hue=0.1), Flip(), SHIFT]),
]


CASES = [*SETS, *OLD_SETS]


def test_the_cases_counted() -> None:
    assert (len(SETS), len(OLD_SETS), len(RUNS_OF_BEFORE)) == (16, 6, 5)


@pytest.mark.parametrize(("words", "parts"), CASES, ids=[words for words, _ in CASES])
def test_what_set_asks_for(words: str, parts: list[Augmentation]) -> None:
    assert list(asked(*words.split()).values()) == parts


def test_the_recipes_of_the_papers() -> None:
    assert asked(recipe="paper-imagenet", kind="photographs") == {
        "ColorJitter": JITTER, "Flip": Flip(), "Lighting": Lighting(), "ResizedCrop": ResizedCrop(area=(0.08, 1.0))
    }  # fmt: skip
    acting = [type(part).__name__ for part in in_order(asked(recipe="paper-imagenet", kind="photographs"))]
    assert acting == ["ResizedCrop", "Flip", "ColorJitter", "Lighting"]
    assert asked(recipe="paper-cifar") == {"Flip": Flip(), "PadCrop": PadCrop(pad=4, pad_mode="mean")}


@pytest.mark.parametrize(
    "words", ["augmentation.Flip.probability=0.1 flip=0.2", "brightness=0.1 augmentation.ColorJitter.brightness=0.2"]
)
def test_a_setting_by_its_old_and_its_new_key_is_given_twice(words: str) -> None:
    (error,) = overrides(parse_assignments(words.split()).items())[1]
    assert "is given twice" in str(error)


def test_a_file_in_the_keys_of_before_on_one_of_today_and_beneath_one(tmp_path: Path) -> None:
    """The nearer one wins, however each is written."""
    (tmp_path / "old.toml").write_text(
        'base = "quick"\n[augmentation]\npad = 2\nflip = 0.0\n[for.tiny]\naugmentation.hue = 0.1\n'
    )
    (tmp_path / "new.toml").write_text('base = "old.toml"\n[augmentation]\nPadCrop.pad = 3\n')
    (tmp_path / "all.toml").write_text('base = "old.toml"\naugmentation = "Flip(probability=0.1)"\n')
    old, new, whole = (str(tmp_path / f"{name}.toml") for name in ("old", "new", "all"))
    assert list(asked(recipe=old).values()) == [Flip(probability=0), PadCrop(pad=2)]
    assert list(asked(recipe=old, kind="tiny").values()) == [ColorJitter(hue=0.1), Flip(probability=0), PadCrop(pad=2)]
    assert list(asked(recipe=new).values()) == [Flip(probability=0), PadCrop(pad=3)]
    assert list(asked(recipe=whole).values()) == [Flip(probability=0.1)]
    assert list(asked("brightness=0.4", recipe=whole).values()) == [ColorJitter(brightness=0.4), Flip(probability=0.1)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("augmentation=Flipp", r'There is no augmentation "Flipp" \(nearest: Flip'),
        ("augmentation.Flip.probability=2", r"augmentation\.Flip\.probability = 2"),
        ("flip=2", r"augmentation\.Flip\.probability = 2"),
        ("resized_crop=[0.5,0.2]", r"the shares must rise within \(0, 1\]"),
        ("augmentation=RandAugment(magnitude=31)", r"magnitude = 31: the largest is num_magnitude_bins - 1, 30"),
        (
            "augmentation.RandAugment.num_ops=-1",
            r"RandAugment\.num_ops = -1: Input should be greater",
        ),
        ("augmentation.RandAugment.operations=['Rotat']", r'There is no operation "Rotat" \(nearest: Rotate'),
        ("augmentation.TrivialAugment.operations=[]", r"operations = \[\]: .*at least 1 item"),
        ("augmentation.AugMix.severity=11", r"AugMix\.severity = 11: Input should be less than or equal to 10"),
        ("augmentation.AugMix.alpha=0", r"AugMix\.alpha = 0: Input should be greater than or equal to 0\.1"),
        (
            "augmentation.RandomErasing.value=256",
            r"value = 256: write mean, noise or the value of a pixel from",
        ),
        ("augmentation.RandomErasing.value=red", r"value = 'red': write mean, noise or the value of a pixel"),
        ("augmentation.RandomErasing.scale=[0.5,0.2]", r"scale = 0\.5, 0\.2: the shares must rise within \(0, 1\]"),
        ("augmentation.RandomErasing.ratio=[0,1]", r"ratio = 0\.0, 1\.0: the ratios must rise and be above 0"),
        ("augmentation.Lighting.std=-1", r"Lighting\.std = -1: Input should be greater than or equal to 0"),
        ("aa=rand", r"augmentation\.RandAugment\.magnitude=9"),
        ("random_erasing=0.25", r"augmentation\.RandomErasing\.probability=0\.25"),
        ("augmentation.Flip=0.5", r"Flip = 0\.5; write it as in Flip\(probability=\.\.\.\)"),
        ("augmentation=PadCrop", r'"augmentation\.PadCrop\.pad" is missing'),
        ("resized_crop=[0.5,1]", r"PadCrop and ResizedCrop are both random crops; .*augmentation\.PadCrop=none"),
    ],
)
def test_what_is_wrong_is_said_by_its_key_of_today(words: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        resolve(Request(assignments=tuple(words.split())), Listener())


@pytest.mark.parametrize(
    "word", ["", "flip=0.5", "augmentation=PadCrop(pad=1),Flip", "augmentation.Flip.probability=0.5"]
)
def test_digits_are_mirrored_only_where_the_user_asks(word: str) -> None:
    made = resolve(Request(assignments=(*word.split(), "threads=1")), Listener())
    assert ("Flip" in made.task.recipe.augmentation) == bool(word)
    assert not any("mirror" in note for note in made.notes)


def test_a_recipe_that_mirrors_says_that_digits_are_not(tmp_path: Path) -> None:
    own = 'augmentation = "Flip, PadCrop(pad=1)"\n'
    (tmp_path / "own.toml").write_text(f'base = "quick"\n{own}[for.tiny]\n{own}')
    made = resolve(Request(recipe=str(tmp_path / "own.toml"), assignments=("threads=1",)), Listener())
    assert made.task.recipe.augmentation == {"PadCrop": PadCrop(pad=1)}
    said = "No mirror images: they would change what these pictures mean."
    assert [note for note in made.notes if "mirror" in note] == [said]


ALL_OF_BEFORE: dict[str, Any] = {
    "pad": 0, "pad_mode": "zero", "flip": 0.0, "ratio": [0.75, 1.3333333333333333],
    "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0,
}  # fmt: skip
"""A run.toml of before holds every setting; what is not there is None."""
RUNS_OF_BEFORE: list[tuple[dict[str, Any], list[Augmentation], str]] = [
    ({}, [], ""),
    ({"pad": 1}, [PadCrop(pad=1)], "shifted by up to 1 pixel"),
    ({"pad_mode": "mean", "ratio": [1.0, 2.0]}, [], ""),
    ({"flip": 0.5, "hue": 0.1}, [ColorJitter(hue=0.1), Flip()], "mirrored with probability 0.5; hue varied"),
    (
        {"resized_crop": [0.25, 1.0], "ratio": [1.0, 2.0], "pad_mode": "mean"},
        [ResizedCrop(area=(0.25, 1.0), ratio=(1.0, 2.0))],
        "a crop of 25 % to 100 % of its area",
    ),
]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A short run without augmentations."""
    settings = {**DIGITS, "length": "4 steps", "evaluate_every": "2 steps", "augmentation": "none", "threads": 1}
    return train(tmp_path_factory.mktemp("runs") / "run", settings)


@pytest.mark.parametrize(("changes", "parts", "words"), RUNS_OF_BEFORE)
def test_a_run_of_before_is_read_and_goes_on_only_without_augmentation(
    stopped: RunFolder, changes: dict[str, Any], parts: list[Augmentation], words: str
) -> None:
    stopped.evaluation.unlink(missing_ok=True)  # a finished run has nothing to go on with
    text = stopped.toml.read_text()
    assert stopped.record().draws == DRAWS_VERSION == 2
    document = parse_toml(text.encode())
    del document["draws"]
    document["recipe"]["augmentation"] = ALL_OF_BEFORE | changes
    stopped.toml.write_text(dumps(document))
    try:
        assert list(stopped.record().augmentation.values()) == parts
        assert collect(stopped).augmentation.replace("\u00a0", " ") == words
        if parts:
            with pytest.raises(RequestError, match="augmentation of this version draws other numbers") as caught:
                resume(stopped.path, Listener())
            assert f"--weights {stopped.model}" in str(caught.value)
        else:
            assert resume(stopped.path, Listener()) is not None
    finally:
        stopped.toml.write_text(text)
