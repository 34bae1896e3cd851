"""ImageNet's layouts; above all that the labels of a flat val/ are read or refused, never guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.data_settings import DataSettings
from cardinet.data.source import Source, open_source
from data.pictures import MakePicture

SYNSETS = ["n01440764", "n02119789", "n02100735"]
# The devkit's ids of these three, in an order that is not the names'.
IDS = {1: "n02119789", 2: "n02100735", 3: "n01440764"}
TRUTH = [3, 1, 1, 2]


@pytest.fixture
def flat(tmp_path: Path, make_picture: MakePicture) -> Path:
    for synset in SYNSETS:
        for i in range(2):
            make_picture(tmp_path / "train" / synset / f"{synset}_{i}.JPEG", format="JPEG", seed=i)
    for number in range(1, 5):
        make_picture(tmp_path / "val" / f"ILSVRC2012_val_{number:08}.JPEG", format="JPEG", seed=number)
    return tmp_path


def opened(path: Path) -> Source:
    return open_source(f"imagenet:{path}", DataSettings())


def labelled(source: Source) -> dict[str, str]:
    """The synset of each validation picture by its number."""
    split = source.splits["validation"]
    return {Path(name).stem[-1]: source.classes[label] for name, label in zip(split.names, split.labels, strict=True)}


EXPECTED = {str(i + 1): IDS[number] for i, number in enumerate(TRUTH)}


def write_meta(path: Path) -> None:
    from scipy.io import savemat

    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    rows = [(number, synset, "words", 0) for number, synset in IDS.items()] + [(1001, "n00001740", "entity", 3)]
    savemat(str(path), {"synsets": np.array(rows, dtype=kind)})


def write_labels(root: Path, kind: str) -> None:
    pairs = [(f"ILSVRC2012_val_{i + 1:08}", IDS[number]) for i, number in enumerate(TRUTH)]
    kit = root / "ILSVRC2012_devkit_t12" / "data"
    kit.mkdir(parents=True)
    if kind == "kaggle":
        rows = [f"{name},{synset} 1 2 3 4 {synset} 5 6 7 8" for name, synset in pairs]
        (root / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]) + "\n")
    elif kind == "pairs":
        (root / "val" / "labels.txt").write_text("".join(f"{name}.JPEG {synset}\n" for name, synset in pairs))
    else:
        truth = kit / "ILSVRC2012_validation_ground_truth.txt"
        truth.write_text("".join(f"{number}\n" for number in TRUTH))
        if kind == "meta":
            write_meta(kit / "meta.mat")
        elif kind == "table":
            lines = [f"{synset} {number} name_{number}\n" for number, synset in IDS.items()]
            (kit / "map_clsloc.txt").write_text("".join(lines))


@pytest.mark.parametrize("kind", ["kaggle", "pairs", "meta", "table"])
def test_a_flat_val_gets_its_labels(flat: Path, kind: str) -> None:
    write_labels(flat, kind)
    source = opened(flat)
    assert source.classes == tuple(sorted(SYNSETS))
    assert labelled(source) == EXPECTED


def test_a_foldered_val(flat: Path, make_picture: MakePicture) -> None:
    for path in (flat / "val").iterdir():
        target = flat / "val" / SYNSETS[int(path.stem[-1]) % 3]
        target.mkdir(exist_ok=True)
        path.rename(target / path.name)
    assert labelled(opened(flat)) == {str(i): SYNSETS[i % 3] for i in range(1, 5)}


def test_kaggles_layout(flat: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("kaggle")
    inner = root / "ILSVRC" / "Data" / "CLS-LOC"
    inner.parent.mkdir(parents=True)
    flat.rename(inner)
    write_labels(root, "kaggle")
    assert labelled(opened(root)) == EXPECTED


@pytest.mark.parametrize("mapping", ["", "LOC_synset_mapping.txt", "synset_words.txt"])
def test_ids_without_the_devkits_table_are_refused(flat: Path, mapping: str) -> None:
    write_labels(flat, "truth alone")
    if mapping:
        (flat / mapping).write_text("".join(f"{synset} some name\n" for synset in sorted(SYNSETS)))
    with pytest.raises(WorkError, match=r"meta\.mat"):
        opened(flat)


def test_a_table_in_the_order_of_the_names_is_refused(flat: Path) -> None:
    write_labels(flat, "truth alone")
    lines = [f"{synset} {i + 1} x\n" for i, synset in enumerate(sorted(SYNSETS))]
    (flat / "map_clsloc.txt").write_text("".join(lines))
    with pytest.raises(WorkError, match="in the order of their names"):
        opened(flat)


def test_bare_numbers_are_refused(flat: Path) -> None:
    (flat / "val.txt").write_text("".join(f"ILSVRC2012_val_{i:08}.JPEG {i}\n" for i in range(1, 5)))
    with pytest.raises(WorkError, match="no file beside it says which synset"):
        opened(flat)


def test_a_picture_without_a_label_is_named(flat: Path, make_picture: MakePicture) -> None:
    write_labels(flat, "pairs")
    make_picture(flat / "val" / "ILSVRC2012_val_00000009.JPEG", format="JPEG")
    with pytest.raises(WorkError, match=r"ILSVRC2012_val_00000009\.JPEG"):
        opened(flat)


@pytest.mark.parametrize("line", ["\u00b2", "9" * 5000, "\udcff", "-1", "1e3"])
def test_a_line_that_is_no_id(flat: Path, line: str) -> None:
    write_labels(flat, "table")
    truth = next(flat.rglob("ILSVRC2012_validation_ground_truth.txt"))
    truth.write_bytes(f"1\n{line}\n".encode("utf-8", "surrogateescape"))
    with pytest.raises(WorkError, match=r"ground_truth\.txt, line 2: .* is not an id of a class"):
        opened(flat)


def test_a_damaged_meta_mat(flat: Path) -> None:
    write_labels(flat, "truth alone")
    (flat / "meta.mat").write_bytes(b"nothing of the kind")
    with pytest.raises(WorkError, match=r"is not the devkit's meta\.mat"):
        opened(flat)


def test_a_missing_train(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no folder train/"):
        opened(tmp_path)
