"""The side of the input and the shorter side before a crop: chosen ones fit, asked ones are used or refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cardinet.base.errors import RequestError
from cardinet.data.data_settings import DataSettings
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Source, open_source
from cardinet.train.input_preprocessing import check_size, choose_preprocessing, choose_size
from cardinet.train.listener import Listener
from cardinet.train.recipe import PreprocessingSettings
from cardinet.train.request import Request, resolve


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """Photographs of 90 x 70 and 96 x 80 pixels, thumbnails of 18 x 24 and 24 x 18, and icons of 24 x 24."""
    sides = {"photographs": ((70, 90), (80, 96)), "thumbnails": ((24, 18), (18, 24)), "icons": ((24, 24), (24, 24))}
    rng = np.random.default_rng(0)
    for kind, sizes in sides.items():
        for name, shape in zip(("ant", "bee"), sizes, strict=True):
            folder = tmp_path_factory.getbasetemp() / "sizes" / kind / "train" / name
            folder.mkdir(parents=True)
            for i in range(2):
                Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return {kind: open_source(str(tmp_path_factory.getbasetemp() / "sizes" / kind), DataSettings()) for kind in sides}


CHOSEN = [
    ("photographs", None, None, (64, 75)),
    ("photographs", 96, None, (96, 110)),
    ("photographs", None, 80, (64, 80)),
    ("photographs", 48, 48, (48, 48)),
    ("thumbnails", None, None, (32, 32)),  # the chosen shorter side is raised to the least side of an input
    ("thumbnails", None, 32, (32, 32)),
    ("icons", None, None, (24, None)),
    ("icons", 16, None, (16, 16)),
    ("icons", None, 30, (24, 30)),
]


@pytest.mark.parametrize(("kind", "size", "resize", "expected"), CHOSEN)
def test_what_is_chosen_and_what_is_used(
    folders: dict[str, Source], kind: str, size: int | None, resize: int | None, expected: tuple[int, int | None]
) -> None:
    asked = PreprocessingSettings(size=size, resize=resize)
    check_size(asked, folders[kind])
    assert choose_size(asked, folders[kind]) == expected


@pytest.mark.parametrize(
    ("kind", "size", "resize", "words"),
    [
        ("photographs", 96, 64, "resize = 64 is less than size = 96: "),
        ("photographs", None, 20, "resize = 20 is less than the size that these pictures get, 32: "),
        ("thumbnails", None, 31, "resize = 31 is less than the size that these pictures get, 32: "),
        ("icons", None, 12, "resize = 12 is less than the size that these pictures get, 24: "),
        ("icons", 32, 24, "resize = 24 is less than size = 32: "),
    ],
)
def test_a_resize_below_the_size_is_refused(
    folders: dict[str, Source], kind: str, size: int | None, resize: int, words: str
) -> None:
    with pytest.raises(RequestError) as caught:
        check_size(PreprocessingSettings(size=size, resize=resize), folders[kind])
    assert words in str(caught.value)
    assert f"--set size={resize}" in str(caught.value)


def test_it_is_refused_before_work_with_all_else(folders: dict[str, Source]) -> None:
    settings = {"data.source": folders["photographs"].text, "size": 96, "resize": 64, "device": "cuda:99"}
    with pytest.raises(RequestError) as caught:
        resolve(Request(network="resnet20_cifar", recipe="quick", settings=tuple(settings.items())), Listener())
    found = "\n".join(caught.value.findings)
    assert [word in found for word in ("resize = 64", "cuda:99")] == [True, True]


def test_a_model_of_before_keeps_its_black_frame(folders: dict[str, Source]) -> None:
    old = Preprocessing.model_validate({"channels": 3, "resize": 16, "crop": 24, "mean": [0.5] * 3, "std": [0.5] * 3})
    assert np.asarray(old.fit(Image.new("RGB", (30, 20), (9, 9, 9))))[[0, 12], [12, 12]].tolist() == [[0] * 3, [9] * 3]
    asked = PreprocessingSettings(size=old.crop, resize=old.resize)
    found = choose_preprocessing(asked, folders["photographs"], 3)
    assert (found.crop, found.resize) == (24, 16)
