"""Opening sources: digits, small pictures in memory, the limit, unknown kinds, damaged pictures."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cardinet.base.errors import RequestError, WorkError
from cardinet.base.settings import Settings, validate
from cardinet.data.data_settings import Augmentations, DataSettings
from cardinet.data.kinds import KINDS, short_name
from cardinet.data.labelling import ONE
from cardinet.data.ordered_pictures import is_source, ordered_pictures
from cardinet.data.source import open_source, settings_for
from cardinet.data.statistics import channel_statistics
from data.pictures import MakePicture

SETTINGS = DataSettings()


def test_digits_are_the_real_scans() -> None:
    from sklearn.datasets import load_digits

    source = open_source("digits", SETTINGS)
    assert {name: len(split) for name, split in source.splits.items()} == {
        "train": 1257,
        "validation": 180,
        "test": 360,
    }
    assert (source.size, source.channels, source.flips, source.small) == ((8, 8), 1, False, True)
    raw = load_digits()
    last = source.splits["test"]
    assert np.array_equal(last.labels, raw.target[-360:])
    assert last.images is not None
    assert np.array_equal(last.images[:, 0].numpy(), np.round(raw.images[-360:] * 255 / 16).astype(np.uint8))
    assert last.names[359] == "scan 1796"
    assert source.splits["validation"].names[0] == "scan 1257"
    assert np.array_equal(np.asarray(last.picture(3)), last.images[3, 0].numpy())
    assert open_source("digits", SETTINGS).fingerprint == source.fingerprint


def test_the_limit_is_of_each_split_and_by_seed() -> None:
    source = open_source("digits", DataSettings(limit=100))
    assert [len(split) for split in source.splits.values()] == [100, 100, 100]
    assert [split.total for split in source.splits.values()] == [1257, 180, 360]
    whole = open_source("digits", SETTINGS).splits["train"]
    assert whole.images is not None
    limited = source.splits["train"]
    assert limited.images is not None
    for i in (0, 50, 99):
        row = int(limited.names[i].removeprefix("scan "))
        assert torch.equal(limited.images[i], whole.images[row])
        assert limited.labels[i] == whole.labels[row]
    other = open_source("digits", DataSettings(limit=100, split_seed=1)).splits["train"]
    assert list(other.names) != list(limited.names)


def test_hold_out_divides_each_class_alike() -> None:
    labels = np.repeat([0, 1, 2], [100, 10, 1])
    test, validation, train = ONE.held_out(labels, [0.1, 0.2], seed=3)
    assert np.bincount(labels[test], minlength=3).tolist() == [10, 1, 0]
    assert np.bincount(labels[validation], minlength=3).tolist() == [20, 2, 0]
    assert sorted([*test, *validation, *train]) == list(range(111))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("digit", "digits"),
        ("cifar-10", "cifar10"),
        ("parkett:x", "parquet"),
        ("./nowhere", "neither a folder"),
        ("parquet:", "PATH"),
        ("parquet:/nowhere", "/nowhere"),
        ("imagenet:/nowhere", "/nowhere"),
        ("csv:", "write csv:FILE"),
        ("csv", "needs a file; write csv:FILE"),
        ("csv:/nowhere.csv", "There is no file"),
        ("imagenet", "imagenet:PATH"),
        ("webdataset:x.tar", "There is no shard x.tar"),
        ("hf:", "names no name; write hf:NAME"),
        ("hf:a b", "write it as hf:OWNER/NAME"),
        ("webdataset:", "write webdataset:SHARDS"),
        ("datasets:", "write datasets:PATH"),
        ("datasets:/nowhere", "There is no folder"),
    ],
)
def test_a_wrong_source_is_a_wrong_request(text: str, words: str) -> None:
    with pytest.raises(RequestError, match=words) as error:
        open_source(text, SETTINGS)
    assert len(error.value.findings) == 1
    if is_source(text):  # a prediction takes the same words; with an empty path it read the current folder
        with pytest.raises(RequestError, match=words):
            ordered_pictures([text], SETTINGS)


def test_a_wrong_setting_hides_no_other_and_makes_none(tmp_path: Path) -> None:
    """The source is read with the settings that are right: with the usual ones it complained of what was asked for."""
    (tmp_path / "a.png").write_bytes(b"x")
    table = tmp_path / "t.csv"
    table.write_text("picture,tags,file\na.png,ant|bee,a.png\n")
    asked = {"labels": "list", "label_column": "tags", "label_separator": "|", "picture_column": "picture"}
    wrong: list[dict[str, Any]] = [{"folds": 3}, {"limit": 0}, {"on_bad_image": "drop"}, {"validation": 0.9}]
    assert len(wrong) == 4
    for one in wrong:
        with pytest.raises(RequestError) as error:
            settings_for(f"csv:{table}", asked | one)
        assert len(error.value.findings) == 1, error.value.findings
        with pytest.raises(RequestError) as error:
            settings_for(f"csv:{table}", {**asked, **one, "label_column": "words"})
        assert ["no column data.label_column = 'words'" in text for text in error.value.findings] == [False, True]


def test_every_kind_has_its_function() -> None:
    import importlib
    import inspect

    assert len(KINDS) == 14
    for row in KINDS.values():
        module, function = row.place.split(":")
        found = getattr(importlib.import_module(f"cardinet.data.kinds.{module}"), function)
        assert set(row.reads) == {
            p.name for p in inspect.signature(found).parameters.values() if p.kind == p.KEYWORD_ONLY
        }
        assert set(row.reads) <= set(DataSettings.model_fields)


def small_folder(root: Path, make_picture: MakePicture, channels: int = 3, size: tuple[int, int] = (20, 12)) -> Path:
    for split, count in (("train", 4), ("test", 2)):
        for name in ("ant", "bee"):
            for i in range(count):
                make_picture(root / split / name / f"{i}.png", size=size, seed=i, channels=channels)
    return root


def test_small_pictures_are_decoded_into_memory(tmp_path: Path, make_picture: MakePicture) -> None:
    source = open_source(str(small_folder(tmp_path, make_picture)), SETTINGS)
    assert (source.small, source.size, source.channels) == (True, (12, 20), 3)
    train = source.splits["train"]
    assert train.images is not None
    assert train.images.shape == (8, 3, 12, 20)
    for i in range(8):
        with Image.open(train.names[i]) as image:
            assert np.array_equal(train.images[i].permute(1, 2, 0).numpy(), np.asarray(image))
            assert np.array_equal(np.asarray(train.picture(i)), np.asarray(image))


def test_grey_pictures_have_one_channel_unless_one_has_colour(tmp_path: Path, make_picture: MakePicture) -> None:
    root = small_folder(tmp_path, make_picture, channels=1)
    assert open_source(str(root), SETTINGS).channels == 1
    make_picture(root / "test" / "ant" / "0.png", size=(20, 12), channels=3)
    source = open_source(str(root), SETTINGS)
    assert source.channels == 3
    images = source.splits["train"].images
    assert images is not None
    assert torch.equal(images[0, 0], images[0, 2])


@pytest.mark.parametrize(("name", "size"), [("one-differs", (21, 12)), ("one-large", (200, 100))])
def test_pictures_of_several_sizes_stay_encoded(
    tmp_path: Path, make_picture: MakePicture, name: str, size: tuple[int, int]
) -> None:
    root = small_folder(tmp_path, make_picture)
    make_picture(root / "train" / "bee" / "3.png", size=size)
    source = open_source(str(root), SETTINGS)
    assert not source.small
    assert source.splits["train"].images is None
    assert source.splits["train"].picture(7).size == size


def test_a_damaged_picture_is_named(photographs: Path) -> None:
    path = photographs / "train" / "bee" / "3.jpg"
    path.write_bytes(path.read_bytes()[:500])
    split = open_source(str(photographs), SETTINGS).splits["train"]
    with pytest.raises(WorkError, match=rf"{path}: truncated"):
        split.picture(11)
    left = split.without({"train/bee/3.jpg"})
    assert len(left) == 23
    assert left.names[11] == str(photographs / "train" / "bee" / "4.jpg")
    assert left.labels[11] == 1
    assert left.picture(11).size == split.picture(12).size


def test_splits_can_be_sent_to_a_worker(photographs: Path) -> None:
    split = open_source(str(photographs), DataSettings(limit=5)).splits["train"]
    copy = pickle.loads(pickle.dumps(split))  # noqa: S301 - what a spawned worker does, with our own object
    assert list(copy.names) == list(split.names)
    assert copy.picture(4).tobytes() == split.picture(4).tobytes()


def test_names_behave_like_a_list() -> None:
    names = open_source("digits", SETTINGS).splits["test"].names
    assert names[-1] == "scan 1796"
    assert names[1:3] == ["scan 1438", "scan 1439"]
    with pytest.raises(IndexError):
        names[360]


def test_statistics_are_exact() -> None:
    split = open_source("digits", SETTINGS).splits["train"]
    assert split.images is not None
    mean, std = channel_statistics(split)
    values = split.images.double() / 255
    assert mean[0] == pytest.approx(values.mean().item(), abs=1e-12)
    assert std[0] == pytest.approx(values.std(correction=0).item(), abs=1e-12)


class Varied(Settings):
    """As a recipe holds augmentations."""

    augmentation: Augmentations = {}


WRONG: list[tuple[type[Any], dict[str, Any]]] = [
    (DataSettings, {"limit": 0}),
    (DataSettings, {"validation": 0.6}),
    (DataSettings, {"on_bad_image": "replace"}),
    (DataSettings, {"pixel_limit": 0}),
    (Varied, {"augmentation": {"Flip": {"probability": 1.5}}}),
    (Varied, {"augmentation": {"PadCrop": {"pad": -1}}}),
    (Varied, {"augmentation": {"PadCrop": {"pad": 1, "pad_mode": "edge"}}}),
    (Varied, {"augmentation": {"ResizedCrop": {"area": (0.5, 0.2)}}}),
    (Varied, {"augmentation": {"ResizedCrop": {"area": (0.5, 1.0)}, "PadCrop": {"pad": 4}}}),
    (Varied, {"augmentation": {"ColorJitter": {"hue": 0.6}}}),
    (Varied, {"augmentation": {"ResizedCrop": {"ratio": (2.0, 1.0)}}}),
]


@pytest.mark.parametrize(("model", "document"), WRONG)
def test_wrong_settings_are_refused(model: type[Any], document: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        validate(model, document)


def test_settings_need_no_heavy_import() -> None:
    import subprocess
    import sys

    heavy = {"torch", "torchvision", "numpy", "PIL", "sklearn", "pyarrow", "scipy"}
    code = (
        "import cardinet.data.data_settings as settings, cardinet.data.preprocessing, sys; "
        f"assert settings.AUGMENTATIONS.rows; print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_short_name_of_a_source() -> None:
    names = {
        "digits": "digits",
        "parquet:/x/flowers.parquet": "flowers",
        "hf:me/pets": "pets",
        "webdataset:/x/birds/train-{000..099}.tar": "birds",
        "webdataset:https://host/birds/{train,val}-*.tar::/y": "birds",
        "webdataset:/x/cats.tar": "cats",
        "webdataset:*.tar": "data",
        "/": "data",
    }
    assert {text: short_name(text) for text in names} == names
