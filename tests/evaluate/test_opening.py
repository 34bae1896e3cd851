"""Which pictures are measured: all of an undivided folder, or what training held out; by the names of the classes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cardinet
from cardinet.base.errors import CardinetError, RequestError, WorkError
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import open_source
from cardinet.evaluate.opening import model_path
from cardinet.evaluate.pictures import OpenedPictures, open_pictures
from cardinet.explain.job import explain_model
from cardinet.runs.folder import RunFolder
from cardinet.runs.model_file import Model, load_model
from cardinet.runtimes.formats import FORMATS
from cardinet.runtimes.formats.format import Format
from cardinet.train.job import start
from cardinet.train.listener import Listener
from cardinet.train.request import Request, resolve

QUICK = {"network.id": "resnet20_cifar", "length": "1 steps", "batch_size": 8, "threads": 1, "workers": 0, "lr": 0.001}


def folder(root: Path, classes: tuple[str, ...] = ("ant", "bee", "cat"), count: int = 10) -> Path:
    """Class folders of pictures of 16 pixels, each class of its own colour."""
    for row, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.full((16, 16, 3), (40 * row + i, 200, 10), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def trained(root: Path, out: Path, **settings: Any) -> tuple[RunFolder, Model]:
    asked = {**QUICK, "data.source": str(root), **settings}
    run = start(resolve(Request(settings=tuple(asked.items()), out=out), Listener()), Listener())
    return run, load_model(run.model)


@pytest.fixture(scope="module")
def undivided(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunFolder, Model]:
    place = tmp_path_factory.mktemp("undivided")
    root = folder(place / "set")
    return root, *trained(root, place / "run", **{"data.test": 0.2, "data.validation": 0.3, "data.split_seed": 5})


def opened(data: Path | str, model: Model | None = None, split: str | None = None, **settings: Any) -> OpenedPictures:
    found = open_pictures(str(data), settings, model=model, split=split)
    assert found is not None
    return found


def keys(one: OpenedPictures) -> list[str]:
    return [one.pictures.names.key(i) for i in range(len(one.pictures))]


def test_all_pictures_of_another_folder(tmp_path: Path, undivided: tuple[Path, RunFolder, Model]) -> None:
    found = opened(folder(tmp_path / "other", count=4), undivided[2])
    assert (found.split, len(found.pictures), len({*keys(found)})) == ("all", 12, 12)
    assert any("so all of it is measured (12 pictures)" in note for note in found.notes)


def test_what_training_held_out_of_its_own_folder(undivided: tuple[Path, RunFolder, Model]) -> None:
    root, run, model = undivided
    found, own = opened(root, model), open_pictures(None, {}, run=run, model=model)
    assert own is not None
    assert (found.split, len(found.pictures)) == ("test", 6)
    assert keys(found) == keys(own)
    assert any("the 6 test pictures that its training held out are measured" in note for note in found.notes)
    for split in ("train", "validation", "test"):  # each as the training had it, whatever the settings' defaults are
        asked, theirs = opened(root, model, split), open_pictures(None, {}, run=run, model=model, split=split)
        assert theirs is not None
        assert keys(asked) == keys(theirs)
        assert any("The model was trained on" in note for note in asked.notes)
    otherwise = opened(root, model, test=0.5)
    assert any("training pictures may be among the 15 measured ones" in note for note in otherwise.notes)
    assert len(opened(root, model, split="all").pictures) == 30


def test_a_division_that_is_asked_for(tmp_path: Path, undivided: tuple[Path, RunFolder, Model]) -> None:
    other = folder(tmp_path / "other", count=8)
    assert len(opened(other, undivided[2], test=0.5).pictures) == 12
    found = opened(other, undivided[2], split="train")
    assert len(found.pictures) == 18
    assert any("is divided as for a training: its 18 train pictures are measured" in note for note in found.notes)


def test_an_old_model_file_does_not_know_its_pictures(undivided: tuple[Path, RunFolder, Model]) -> None:
    root, _, model = undivided
    known = {key: value for key, value in model.training.items() if key != "pictures"}
    for training in (known, known | {"pictures": 3}, known | {"pictures": {"fingerprint": 7}}):
        assert len(opened(root, replace(model, training=training)).pictures) == 30


def test_classes_are_met_by_name(tmp_path: Path, undivided: tuple[Path, RunFolder, Model]) -> None:
    found = opened(folder(tmp_path / "some", ("cat", "bee"), 2), undivided[2])
    assert found.source.classes == ("ant", "bee", "cat")
    assert found.pictures.labels.tolist() == [1, 1, 2, 2]
    assert "There are no pictures of ant, so these classes are not measured." in found.notes
    assert opened(folder(tmp_path / "one", ("bee",), 3), undivided[2]).pictures.labels.tolist() == [1, 1, 1]
    with pytest.raises(RequestError, match=r"does not know bea, dog of .*\(nearest: bee"):
        opened(folder(tmp_path / "others", ("ant", "bea", "dog"), 1), undivided[2])


def test_bad_pictures_are_refused_or_left_out(tmp_path: Path, undivided: tuple[Path, RunFolder, Model]) -> None:
    root = folder(tmp_path / "other", count=4)
    damage(root / "ant" / "0.png")
    damage(root / "bee" / "3.png")
    with pytest.raises(WorkError) as error:
        opened(root, undivided[2])
    assert ["ant/0.png" in error.value.findings[0], "bee/3.png" in error.value.findings[1]] == [True, True]
    found = opened(root, undivided[2], on_bad_image="skip")
    assert len(found.pictures) == 10
    assert "2 of 12 pictures cannot be used and were left out (on_bad_image = skip)." in found.notes


def test_only_bad_pictures_are_said_in_a_sentence(tmp_path: Path) -> None:
    """A folder that is measured as a whole, so that no training split is checked before."""
    root = folder(tmp_path / "set", count=1)
    for name in ("ant", "bee", "cat"):
        damage(root / name / "0.png")
    with pytest.raises(RequestError, match=r"^3 pictures of .*: none can be used"):
        opened(root, on_bad_image="skip")


IN_PYTHON: dict[str, Callable[..., object]] = {
    "evaluate": lambda model, data, out, **settings: cardinet.evaluate(model, data, **settings),
    "export": lambda model, data, out, **settings: cardinet.export(model, out / "x.pt2", data=data, **settings),
    "explain": lambda model, data, out, **settings: explain_model("paths", model, data, **settings),
}


@pytest.mark.parametrize("function", IN_PYTHON)
def test_what_a_message_advises_works_in_python(
    tmp_path: Path, undivided: tuple[Path, RunFolder, Model], function: str
) -> None:
    """A refusal of bad pictures names the keyword; a wrong keyword, and one beside an opened source, are refused."""
    root, call = folder(tmp_path / "other", count=4), IN_PYTHON[function]
    damage(root / "ant" / "0.png")
    with pytest.raises(WorkError) as error:
        call(undivided[2], root, tmp_path)
    advised = re.search(r'in Python (\w+)="(\w+)"', str(error.value))
    assert advised is not None
    call(undivided[2], root, tmp_path, **{advised[1]: advised[2]})
    with pytest.raises(RequestError, match="on_bad_image = 'skp'"):
        call(undivided[2], root, tmp_path, **{advised[1]: "skp"})
    with pytest.raises(RequestError, match=r"limit=3: an opened source is read as it was opened"):
        call(undivided[2], open_source("digits", DataSettings()), tmp_path, limit=3)


def test_a_run_says_how_many_it_skipped(tmp_path: Path) -> None:
    root = folder(tmp_path / "set")
    for name in ("ant", "bee"):
        for i in range(1, 10, 2):
            damage(root / name / f"{i}.png")
    run, model = trained(root, tmp_path / "run", **{"data.on_bad_image": "skip", "data.test": 0.5})
    found = open_pictures(None, {}, run=run, model=model)
    assert found is not None
    skipped = sum(identity.startswith("test:") for identity in run.record().skipped)
    assert skipped > 0
    assert found.notes[0].startswith(f"{skipped} test pictures are left out: the training skipped them")


@pytest.mark.parametrize(
    ("data", "settings", "words"),
    [
        (None, {"limit": 3}, "limit: the pictures of a run are read"),
        (None, {"pixel_limit": -1}, "pixel_limit"),
        ("none", {}, "none"),
    ],
)
def test_what_is_refused(
    undivided: tuple[Path, RunFolder, Model], data: str | None, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(CardinetError, match=words):
        open_pictures(data, settings, run=undivided[1], model=undivided[2])


def test_neither_data_nor_a_run() -> None:
    assert open_pictures(None, {}) is None
    with pytest.raises(RequestError, match="name the pictures too"):
        open_pictures(None, {"limit": 3})


def test_optional_pictures_may_be_missing_but_what_is_said_of_them_counts(tmp_path: Path) -> None:
    """What a user says of the pictures is never left out in silence; pictures of a run that are gone are named."""
    root = folder(tmp_path / "set", count=4)
    run, _ = trained(root, tmp_path / "run", **{"data.test": 0.5})
    asked: tuple[tuple[dict[str, Any], str], ...] = (
        ({"limit": 3}, "limit: the pictures of a run"),
        ({"pixel_limit": -1}, "pixel_limit"),
        ({"split": "nothere"}, "nothere"),
    )
    for settings, said in asked:
        with pytest.raises(RequestError, match=said):
            explain_model("paths", run.path, **settings)
    assert "gradients" in explain_model("paths", run.path, draws=1).document
    root.rename(tmp_path / "moved")
    limits = explain_model("paths", run.path, draws=1).limits
    assert [limit for limit in limits if limit.startswith("The gradient by length is not measured: The data ")]
    with pytest.raises(RequestError, match="limit: the pictures of a run"):
        explain_model("paths", run.path, limit=3)


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_an_exported_file_in_place_of_a_model_names_the_way_to_run_it(format: Format, tmp_path: Path) -> None:
    (tmp_path / f"m{format.suffix}").write_bytes(b"content")
    with pytest.raises(RequestError, match=r"is an exported file .*open_exported"):
        model_path(str(tmp_path / f"m{format.suffix}"))
