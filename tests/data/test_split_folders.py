"""The pictures of the published folders by split, without labels, for a prediction."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardinet.base.errors import RequestError, WorkError
from cardinet.data.data_settings import DataSettings
from cardinet.data.ordered_pictures import OrderedPictures, ordered_pictures
from data.pictures import MakePicture

LAYOUTS = {
    "imagenet": ("train/n01/n01_1.JPEG", "val/v1.JPEG", "test/t1.JPEG"),
    "tiny-imagenet": ("train/n01/images/n01_1.JPEG", "val/images/v1.JPEG", "test/images/t1.JPEG"),
}
KAGGLE = "ILSVRC/Data/CLS-LOC"
CASES = [("imagenet", ""), ("imagenet", KAGGLE), ("tiny-imagenet", "")]


def names(pictures: OrderedPictures) -> list[str]:
    return [picture.name for picture in pictures.read(0, len(pictures))]


@pytest.mark.parametrize(("kind", "inside"), CASES)
def test_each_split_is_predicted_without_labels(
    kind: str, inside: str, tmp_path: Path, make_picture: MakePicture
) -> None:
    for seed, name in enumerate(LAYOUTS[kind]):
        make_picture(tmp_path / inside / name, format="JPEG", seed=seed)
    text = f"{kind}:{tmp_path}"
    for split, name in zip(("train", "validation", "test"), LAYOUTS[kind], strict=True):
        assert names(ordered_pictures([text], DataSettings(), split)) == [name]
    assert names(ordered_pictures([text], DataSettings())) == list(LAYOUTS[kind])


def test_only_the_test_pictures_are_there(tmp_path: Path, make_picture: MakePicture) -> None:
    make_picture(tmp_path / "test" / "t1.JPEG", format="JPEG")
    assert names(ordered_pictures([f"imagenet:{tmp_path}"], DataSettings(), "test")) == ["test/t1.JPEG"]
    with pytest.raises(RequestError, match=r"no such split \(known: test\)"):
        ordered_pictures([f"imagenet:{tmp_path}"], DataSettings(), "train")


def test_what_is_no_folder_of_splits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="has no folder train/, val/ or test/"):
        ordered_pictures([f"imagenet:{tmp_path}"], DataSettings())
    with pytest.raises(RequestError, match="There is no folder"):
        ordered_pictures([f"tiny-imagenet:{tmp_path / 'no'}"], DataSettings())
    for name in ("val", "valid"):
        (tmp_path / name).mkdir()
    with pytest.raises(WorkError, match="keep one of them"):
        ordered_pictures([f"imagenet:{tmp_path}"], DataSettings())
