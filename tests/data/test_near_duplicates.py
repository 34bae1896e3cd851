"""Near-duplicates: copies in another size, compression and brightness are found, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageEnhance, ImageOps

from cardinet.data.data_settings import DataSettings
from cardinet.data.near_duplicates import near_duplicates, thumbnails
from cardinet.data.source import Split, open_source


def photograph(seed: int, side: int = 64) -> Image.Image:
    """A smooth random picture, as photographs are."""
    grid = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(file)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Split, Split]:
    """Test pictures 0 to 7, and train pictures: copies of 0 to 3 in other forms, 4 mirrored, a flat one, others."""
    root = tmp_path_factory.mktemp("near")
    first = photograph(0)
    train = {
        "a": jpeg(first),
        "b": photograph(1).resize((40, 40)),
        "c": ImageEnhance.Brightness(photograph(2)).enhance(0.7),
        "d": photograph(3).convert("L"),
        "e": ImageOps.mirror(photograph(4)),
        "f": Image.new("RGB", (64, 64), (90, 90, 90)),
        **{f"g{i}": photograph(100 + i) for i in range(20)},
    }
    test = {str(i): photograph(i) for i in range(8)} | {"flat": Image.new("RGB", (64, 64))}
    for name, pictures in (("train", train), ("test", test)):
        for k, (file, image) in enumerate(pictures.items()):
            folder = root / name / f"class {k % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            image.save(folder / f"{file}.png")
    source = open_source(str(root), DataSettings())
    return source.splits["test"], source.splits["train"]


def test_copies_are_found(splits: tuple[Split, Split]) -> None:
    test, train = splits
    found = near_duplicates(thumbnails(test), thumbnails(train), 0.99)
    pairs = {Path(test.names[one.first]).stem: Path(train.names[one.second]).stem for one in found}
    assert pairs == {"0": "a", "1": "b", "2": "c", "3": "d"}
    assert all(one.correlation >= 0.99 for one in found)


def test_the_correlation_is_that_of_numpy(splits: tuple[Split, Split], monkeypatch: pytest.MonkeyPatch) -> None:
    test, train = splits
    monkeypatch.setattr("cardinet.data.near_duplicates.AT_ONCE", 60)  # two pictures at a time
    found = {one.first: one for one in near_duplicates(thumbnails(test), thumbnails(train), -1.0)}
    assert len(found) == len(test)

    def grey(split: Split, i: int) -> npt.NDArray[np.float64]:
        found: npt.NDArray[np.float64] = np.asarray(
            split.picture(i).convert("L").resize((16, 16), Image.Resampling.BOX), float
        ).ravel()
        return found

    for i in range(len(test)):
        if Path(test.names[i]).stem == "flat":
            assert found[i].correlation == 0.0
            continue
        all_of = [np.corrcoef(grey(test, i), grey(train, j))[0, 1] for j in range(len(train)) if grey(train, j).std()]
        assert found[i].correlation == pytest.approx(max(all_of), abs=1e-5)


def test_no_pictures_have_no_copies(splits: tuple[Split, Split]) -> None:
    test, _ = splits
    some, none = thumbnails(test), np.zeros((0, 256), np.float32)
    assert near_duplicates(some, none, 0.9) == near_duplicates(none, some, 0.9) == []
