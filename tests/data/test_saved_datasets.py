"""Folders of `save_to_disk`: the same pictures as class folders, without Hugging Face's library."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from cardinet.base.errors import CardinetError
from cardinet.data.data_settings import DataSettings
from cardinet.data.kinds import list_source
from cardinet.data.ordered_pictures import ordered_pictures, whole
from cardinet.data.source import Source, open_source
from data.pictures import MakePicture


def save(folder: Path, pictures: list[Path], labels: list[Any], names: list[str] | None, files: int = 2) -> Path:
    """What `Dataset.save_to_disk` writes: streams of Arrow with the features beside the schema, and state.json."""
    folder.mkdir(parents=True)
    column = [{"bytes": picture.read_bytes(), "path": picture.name} for picture in pictures]
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    if names:
        features["label"] = {"names": names, "_type": "ClassLabel"}
    places = np.array_split(np.arange(len(pictures)), files)
    for number, rows in enumerate(places):
        table = pa.table({"image": [column[i] for i in rows], "label": [labels[i] for i in rows]})
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        file = str(folder / f"data-{number:05}-of-{files:05}.arrow")
        with pa.OSFile(file, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=3)
    listed = [{"filename": f"data-{number:05}-of-{files:05}.arrow"} for number in range(files)]
    (folder / "state.json").write_text(json.dumps({"_data_files": listed, "_fingerprint": "x", "_split": None}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return folder


def test_a_prediction_needs_no_labels_and_no_train_split(photographs: Path, tmp_path: Path) -> None:
    files = sorted((photographs / "train" / "ant").iterdir())[:5]
    save(tmp_path / "set" / "train", files[:2], [0, 1], ["a", "b"])
    save(tmp_path / "set" / "test", files[2:], [None] * 3, None)
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    found = ordered_pictures([f"datasets:{tmp_path / 'set'}"], DataSettings())
    assert [np.asarray(one.image(10**6)).tobytes() for one in whole(found)] == [
        np.asarray(Image.open(file)).tobytes() for file in files
    ]
    assert len(ordered_pictures([f"datasets:{tmp_path / 'set'}"], DataSettings(), "test")) == 3
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["test"]}')
    assert len(ordered_pictures([f"datasets:{tmp_path / 'set'}"], DataSettings())) == 3
    alone = ordered_pictures([f"datasets:{tmp_path / 'set' / 'test'}"], DataSettings())
    assert [one.name for one in whole(alone)][-1] == "data-00001-of-00002.arrow row 0"


def opened(folder: Path, **settings: Any) -> Source:
    return open_source(f"datasets:{folder}", DataSettings(**settings))


def pixels(source: Source, split: str) -> list[tuple[int, bytes]]:
    pictures = source.splits[split]
    return [(int(pictures.labels[i]), np.asarray(pictures.picture(i)).tobytes()) for i in range(len(pictures))]


def test_a_saved_dictionary_gives_the_pixels_and_labels_of_the_class_folders(photographs: Path, tmp_path: Path) -> None:
    folders = open_source(str(photographs), DataSettings())
    for split, name in (("train", "train"), ("validation", "valid")):
        files = [Path(file) for file in folders.splits[split].names]
        save(tmp_path / "saved" / name, files, folders.splits[split].labels.tolist(), list(folders.classes))
    save(tmp_path / "saved" / "unsupervised", files[:2], [-1, -1], list(folders.classes))
    (tmp_path / "saved" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "valid", "unsupervised"]}))
    source = opened(tmp_path / "saved")
    assert (source.classes, source.unsplit) == (folders.classes, False)
    assert list(source.splits) == ["train", "validation"]
    for split in source.splits:
        assert pixels(source, split) == pixels(folders, split)
    assert source.splits["train"].names[12] == "train/data-00001-of-00002.arrow row 0"
    encoded = source.splits["train"].encoded
    assert encoded is not None
    assert pickle.loads(pickle.dumps(encoded)).read(23) == encoded.read(23)  # noqa: S301
    assert opened(tmp_path / "saved").fingerprint == source.fingerprint


def test_a_saved_data_set_is_divided_and_its_columns_can_be_named(tmp_path: Path, make_picture: MakePicture) -> None:
    files = [make_picture(tmp_path / f"{i}.png", size=(12, 10), seed=i) for i in range(20)]
    saved = save(tmp_path / "saved", files, ["bee", "ant"] * 10, None, files=3)
    source = opened(saved)
    assert source.classes == ("ant", "bee")
    assert {name: len(split) for name, split in source.splits.items()} == {"train": 16, "validation": 2, "test": 2}
    assert opened(saved, picture_column="image", label_column="label").fingerprint == source.fingerprint
    other = save(tmp_path / "other", files, ["ant", "bee"] * 10, None, files=3)
    assert opened(other).fingerprint != source.fingerprint


@pytest.mark.parametrize(
    ("damage", "settings", "words"),
    [
        ("no-state", {}, "so save_to_disk of the library datasets did not write it; for a folder of .parquet"),
        ("state", {}, "state.json is damaged: it is not JSON"),
        ("empty-state", {}, "state.json is damaged"),
        ("no-file", {}, "data-00000-of-00002.arrow is not a readable Arrow file"),
        ("file", {}, "data-00000-of-00002.arrow is not a readable Arrow file"),
        ("none", {"label_column": "lable"}, "no column data.label_column = 'lable' (nearest: label)"),
        ("none", {"picture_column": "x"}, "no column data.picture_column = 'x'"),
        ("none", {"picture_column": "label"}, "the column label is int64, not pictures"),
        ("none", {"split_column": "x"}, "data.split_column is for csv:FILE; "),
    ],
)
def test_a_folder_that_cannot_be_read_says_why(
    tmp_path: Path, make_picture: MakePicture, damage: str, settings: dict[str, str], words: str
) -> None:
    files = [make_picture(tmp_path / f"{i}.png", size=(12, 10), seed=i) for i in range(4)]
    saved = save(tmp_path / "saved", files, [0, 1, 0, 1], ["ant", "bee"])
    first = saved / "data-00000-of-00002.arrow"
    if damage == "no-state":
        (saved / "state.json").unlink()
    elif damage in ("state", "empty-state"):
        (saved / "state.json").write_text("{" if damage == "state" else "{}")
    elif damage == "no-file":
        first.unlink()
    elif damage == "file":
        first.write_bytes(first.read_bytes()[:50])
    with pytest.raises(CardinetError) as error:
        opened(saved, **settings)
    assert words in str(error.value)


def test_the_folder_alone_is_explained(tmp_path: Path, make_picture: MakePicture) -> None:
    files = [make_picture(tmp_path / f"{i}.png", size=(12, 10), seed=i) for i in range(4)]
    saved = save(tmp_path / "saved", files, [0, 1, 0, 1], ["ant", "bee"])
    with pytest.raises(CardinetError, match=r"save_to_disk wrote; write datasets:"):
        list_source(str(saved))
