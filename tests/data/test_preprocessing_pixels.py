"""Preprocessing against torchvision, pixel by pixel, and how modes are read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torchvision.transforms import InterpolationMode, functional

from cardinet.data.decode import PictureError, to_mode
from cardinet.data.preprocessing import Preprocessing
from data.pictures import noise

GREY = {"channels": 1, "mean": (0.5,), "std": (0.5,)}
COLOUR = {"channels": 3, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
SIZES = [(80, 60), (60, 80), (33, 100), (101, 37), (64, 64), (20, 50), (15, 15), (224, 223)]
STEPS = [(None, 32), (64, 56), (64, 64), (40, 41), (31, 32), (100, 8)]
METHODS = ["bilinear", "bicubic", "nearest"]


def test_the_cases_are_all_there() -> None:
    assert len(SIZES) * len(STEPS) * len(METHODS) == 144


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("resize", "crop"), STEPS)
@pytest.mark.parametrize("size", SIZES)
def test_equals_torchvisions_resize_and_center_crop(
    size: tuple[int, int], resize: int | None, crop: int, method: str
) -> None:
    image = noise(*size)
    expected = image
    if resize is not None:
        expected = functional.resize(expected, [resize], InterpolationMode(method))
    expected = functional.center_crop(expected, [crop])
    ours = Preprocessing(resize=resize, crop=crop, interpolation=method, **COLOUR).picture(image)
    assert ours.shape == (3, crop, crop)
    assert torch.equal(ours, functional.pil_to_tensor(expected))


def test_without_antialias_it_samples_like_torchs_interpolate() -> None:
    image = noise(90, 60)
    pixels = functional.pil_to_tensor(image)
    expected = functional.resize(pixels, [24], antialias=False)
    ours = Preprocessing(resize=24, crop=24, antialias=False, **COLOUR).resized(image)
    assert (functional.pil_to_tensor(ours).int() - expected.int()).abs().max() <= 1
    filtered = functional.pil_to_tensor(Preprocessing(resize=24, crop=24, **COLOUR).resized(image))
    assert (filtered.int() - expected.int()).abs().max() > 5


def test_normalise_is_to_tensor_and_normalize() -> None:
    preprocessing = Preprocessing(crop=16, **COLOUR)
    images = [noise(16, 16, seed) for seed in range(3)]
    expected = torch.stack(
        [functional.normalize(functional.to_tensor(image), COLOUR["mean"], COLOUR["std"]) for image in images]
    )
    ours = preprocessing.normalise(torch.stack([preprocessing.picture(image) for image in images]))
    assert torch.equal(ours, expected)
    assert ours.dtype == torch.float32
    assert ours.is_contiguous(memory_format=torch.channels_last)


def test_the_constants_of_normalise_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    preprocessing = Preprocessing(crop=4, channels=3, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    pixels = torch.arange(48, dtype=torch.uint8).view(1, 3, 4, 4)
    with torch.inference_mode():
        first = preprocessing.normalise(pixels)
    monkeypatch.setattr(torch, "tensor", lambda *_, **__: pytest.fail("made again"))
    again = Preprocessing.model_validate(preprocessing.model_dump()).normalise(pixels)
    assert torch.equal(again, first)
    assert not again.is_inference()
    monkeypatch.undo()
    other = Preprocessing(crop=4, channels=3, mean=(0.0, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    assert torch.equal(other.normalise(pixels)[0, 0], pixels[0, 0].div(255) / 0.4)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.array([[0, 255, 256], [32768, 65279, 65535]], dtype=np.uint16)
    read = np.asarray(to_mode(Image.fromarray(values), 1))
    assert read.tolist() == [[0, 1, 1], [128, 254, 255]]


def test_values_of_unknown_range_are_refused() -> None:
    with pytest.raises(PictureError, match="mode F"):
        to_mode(Image.fromarray(np.zeros((2, 2), np.float32)), 3)
    with pytest.raises(PictureError, match="mode I"):
        to_mode(Image.fromarray(np.full((2, 2), 7, np.int32)), 3)  # small ones too: bits decide, not values


def test_transparency_is_dropped_and_palettes_are_looked_up() -> None:
    clear_red = Image.new("RGBA", (1, 1), (255, 0, 0, 0))
    assert to_mode(clear_red, 3).getpixel((0, 0)) == (255, 0, 0)
    palette = Image.new("P", (1, 1), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.info["transparency"] = b"\x00\x00"
    assert to_mode(palette, 3).getpixel((0, 0)) == (10, 20, 30)


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_exif_orientation_is_applied(turn: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    from PIL import ImageOps

    image = noise(6, 4)
    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path_factory.mktemp("exif") / "turned.png"
    image.save(path, exif=exif)
    with Image.open(path) as stored:
        stored.load()
        expected = np.asarray(ImageOps.exif_transpose(stored))
        assert np.array_equal(np.asarray(to_mode(stored, 3)), expected)


def test_round_trip_through_json() -> None:
    preprocessing = Preprocessing(resize=None, crop=224, interpolation="bicubic", antialias=False, **COLOUR)
    assert Preprocessing.model_validate_json(preprocessing.model_dump_json()) == preprocessing
    assert Preprocessing.model_validate(preprocessing.model_dump(mode="json")) == preprocessing


@pytest.mark.parametrize("wrong", [{"mean": (0.5, 0.5)}, {"std": (0.2, 0.2, 0.0)}, {"crop": 0}, {"channels": 2}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Preprocessing.model_validate({"crop": 32, **COLOUR, **wrong})


def test_grey_input() -> None:
    image = noise(20, 20)
    ours = Preprocessing(crop=20, **GREY).picture(image)
    assert torch.equal(ours, functional.pil_to_tensor(image.convert("L")))
