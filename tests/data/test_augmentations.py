"""What every augmentation of the table keeps to, and what a new one of somebody else's needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.transforms import functional

from cardinet.base.errors import RequestError
from cardinet.base.recipe_parts import SomeOf, Table
from cardinet.base.settings import Settings, validate
from cardinet.data.arrays import ArrayPictures
from cardinet.data.augmentations import Augmentation, Framing, Place
from cardinet.data.augmentations.aug_mix import AugMix
from cardinet.data.augmentations.color_jitter import ColorJitter
from cardinet.data.augmentations.flip import Flip
from cardinet.data.augmentations.lighting import Lighting
from cardinet.data.augmentations.pad_crop import PadCrop
from cardinet.data.augmentations.rand_augment import RandAugment
from cardinet.data.augmentations.random_erasing import RandomErasing
from cardinet.data.augmentations.resized_crop import ResizedCrop
from cardinet.data.augmentations.trivial_augment import TrivialAugment
from cardinet.data.augmenting import augmented_batch, augmented_picture, in_order
from cardinet.data.data_settings import AUGMENTATIONS, Augmentations, named_augmentations
from cardinet.data.draws import Draws
from cardinet.data.preprocessing import Preprocessing
from data.pictures import noise
from data.varied import in_memory, photograph, together

ACTIVE = {
    "AugMix": AugMix(),
    "ColorJitter": ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    "Flip": Flip(),
    "Lighting": Lighting(),
    "PadCrop": PadCrop(pad=4),
    "RandAugment": RandAugment(magnitude_std=2, probability=0.9),
    "RandomErasing": RandomErasing(value="noise"),
    "ResizedCrop": ResizedCrop(),
    "TrivialAugment": TrivialAugment(),
}
"""Each augmentation of the table, at work in all its ways."""
IDLE = [
    *(PadCrop(pad=0), Flip(probability=0), ColorJitter()),
    *(Lighting(std=0), RandAugment(num_ops=0), RandAugment(probability=0), RandomErasing(probability=0)),
]
BYTES = ["AugMix", "Flip", "Lighting", "PadCrop", "RandAugment", "RandomErasing", "TrivialAugment"]
"""Those that give the same bytes for a photograph and for the same picture in memory."""
INPUT = Preprocessing(channels=3, crop=32, mean=(0.5,) * 3, std=(0.2,) * 3)


class Varied(Settings):
    """As a recipe holds augmentations."""

    augmentation: Augmentations = {}


def pictures(count: int) -> torch.Tensor:
    """uint8 (count, 3, 36, 40)."""
    return torch.stack([functional.pil_to_tensor(noise(40, 36, seed)) for seed in range(count)])


def test_all_of_the_table_are_tried() -> None:
    assert list(AUGMENTATIONS.rows) == list(ACTIVE)
    assert len(ACTIVE) == 9
    assert all(part.acts for part in ACTIVE.values())


class Recorded(Draws):
    """Draws that note which ones are taken."""

    names: set[str]

    def uniform(self, name: str) -> NDArray[np.float64]:
        self.names.add(name)
        return super().uniform(name)

    def uniform_rows(self, name: str, count: int) -> NDArray[np.float64]:
        self.names.add(name)
        return super().uniform_rows(name, count)


def recorded(index: list[int]) -> Recorded:
    draws = Recorded(3, 1, index)
    object.__setattr__(draws, "names", set())
    return draws


@pytest.mark.parametrize("name", ACTIVE)
def test_a_picture_and_a_batch_take_the_same_draws_of_its_own_name(name: str) -> None:
    chosen, images = {name: ACTIVE[name]}, pictures(4)
    of_picture, of_batch = recorded([2]), recorded([0, 1, 2, 3])
    augmented_picture(functional.to_pil_image(images[2]), INPUT, chosen, of_picture)
    augmented_batch(ArrayPictures(images, INPUT, torch.device("cpu")).batch(np.arange(4)), chosen, of_batch)
    assert of_picture.names == of_batch.names != set()
    assert {draw.partition(".")[0] for draw in of_batch.names} == {name}


@pytest.mark.parametrize("name", ACTIVE)
def test_a_photograph_and_the_same_picture_in_memory_look_the_same(name: str) -> None:
    chosen, images = {name: ACTIVE[name]}, pictures(6)
    got = in_memory(images, INPUT, chosen, seed=2, epoch=3, index=np.arange(6))
    plain = in_memory(images, INPUT, {}, seed=2, epoch=3, index=np.arange(6))
    assert not torch.equal(got, plain)
    for i in range(6):
        alone = photograph(functional.to_pil_image(images[i]), INPUT, chosen, seed=2, epoch=3, index=i)
        assert name not in BYTES or torch.equal(got[i], functional.pil_to_tensor(alone))
        away = (got[i].int() - functional.pil_to_tensor(alone).int()).abs().float()
        assert away.mean() < (3 if name == "ColorJitter" else 0.5)  # Pillow rounds after each change of the colours


@pytest.mark.parametrize("name", ["AugMix", "Lighting", "RandAugment", "RandomErasing", "TrivialAugment"])
def test_grey_pictures_are_varied_too(name: str) -> None:
    chosen, grey = {name: ACTIVE[name]}, Preprocessing(channels=1, crop=32, mean=(0.5,), std=(0.2,))
    images = pictures(24)[:, :1]
    got = in_memory(images, grey, chosen, seed=2, epoch=3, index=np.arange(24))
    changed = (got != in_memory(images, grey, {}, seed=2, epoch=3, index=np.arange(24))).flatten(1).any(1)
    assert got.shape == (24, 1, 32, 32)
    assert changed.sum() >= 8
    for i in range(24):
        alone = photograph(functional.to_pil_image(images[i]), grey, chosen, seed=2, epoch=3, index=i)
        assert torch.equal(got[i], functional.pil_to_tensor(alone))


@pytest.mark.parametrize("part", IDLE, ids=lambda part: type(part).__name__)
def test_an_idle_one_changes_nothing(part: Augmentation) -> None:
    assert in_order(together(part)) == []
    index = np.arange(3)
    assert torch.equal(
        in_memory(pictures(3), INPUT, together(part), seed=0, epoch=0, index=index),
        in_memory(pictures(3), INPUT, {}, seed=0, epoch=0, index=index),
    )


@pytest.mark.parametrize("name", ACTIVE)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_smaller_pictures_switch_none_on_or_off(name: str, share: float) -> None:
    """As pictures that grow in a run have them (`ProgressiveResizing`)."""
    assert ACTIVE[name].scaled(share).acts
    assert not any(part.scaled(share).acts for part in IDLE)


def test_the_order_does_not_depend_on_how_they_are_written() -> None:
    expected = ["PadCrop", "Flip", "RandAugment", "ColorJitter", "Lighting", "RandomErasing"]
    for text in (
        "PadCrop(pad=4), Flip, ColorJitter(hue=0.1), RandAugment, RandomErasing, Lighting",
        "Lighting, RandomErasing, ColorJitter(hue=0.1), RandAugment(num_ops=2, magnitude=9), Flip, PadCrop(pad=4)",
    ):
        chosen = validate(Varied, {"augmentation": text}).augmentation
        assert [type(part).__name__ for part in in_order(chosen)] == expected
    assert [part.PLACE for part in in_order(ACTIVE)] == sorted(part.PLACE for part in ACTIVE.values())
    assert [type(part).__name__ for part in in_order(ACTIVE)] == [
        *("PadCrop", "ResizedCrop", "Flip", "AugMix", "RandAugment", "TrivialAugment"),
        *("ColorJitter", "Lighting", "RandomErasing"),
    ]
    rows = AUGMENTATIONS.rows.items()
    assert [name for name, kind in rows if issubclass(kind, Framing)] == ["PadCrop", "ResizedCrop"]
    assert [name for name, kind in rows if kind.MIRRORS] == ["Flip"]


def test_two_random_crops_are_refused() -> None:
    said = r"^augmentation: PadCrop and ResizedCrop are both random crops; .*augmentation\.PadCrop=none"
    with pytest.raises(RequestError, match=said):
        validate(Varied, {"augmentation": [{"part": "PadCrop", "pad": 4}, {"part": "ResizedCrop"}]})
    assert len(validate(Varied, {"augmentation": "PadCrop(pad=0), ResizedCrop"}).augmentation) == 2


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ("PadCrop(pad=4), Flip", ["Flip", "PadCrop"]),
        ({"Flip": {"probability": 0.3}, "ColorJitter": "none"}, ["Flip"]),
        ({}, []),
        ("none", []),
    ],
)
def test_the_names_in_a_document(document: object, names: list[str]) -> None:
    assert sorted(named_augmentations(document)) == names
    assert sorted(validate(Varied, {"augmentation": document}).augmentation) == names


NEW = '''
from cardinet.data.augmentations import Augmentation, Place


class Blacken(Augmentation):
    """Make a drawn column black."""

    PLACE = Place.ERASE

    def words(self):
        return "a column is black"

    def column(self, draws, width):
        return (draws.uniform("Blacken.column") * width).astype(int)

    def on_picture(self, image, preprocessing, draws):
        image = image.copy()
        left = int(self.column(draws, image.width)[0])
        image.paste(0, (left, 0, left + 1, image.height))
        return image

    def on_batch(self, batch, draws):
        for pixels, left in zip(batch.pixels, self.column(draws, batch.pixels.shape[3])):
            pixels[:, :, left] = 0
'''


@pytest.fixture
def wider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table[Augmentation]]:
    """The table, with one more file in its folder."""
    import cardinet.data.augmentations as folder

    (tmp_path / "blacken.py").write_text(NEW)
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    yield Table(Augmentation, folder.__name__, "augmentation")
    sys.modules.pop(f"{folder.__name__}.blacken", None)
    vars(folder).pop("blacken", None)


def test_a_new_augmentation_is_one_file_and_shifts_no_draw_of_the_others(wider: Table[Augmentation]) -> None:
    assert list(wider.rows) == sorted([*ACTIVE, "Blacken"])
    document = SomeOf(wider).documents("ColorJitter(brightness=0.4, hue=0.1), Blacken, Flip, PadCrop(pad=4)")
    assert list(document) == ["Blacken", "ColorJitter", "Flip", "PadCrop"]
    more = together(ColorJitter(brightness=0.4, hue=0.1), wider.rows["Blacken"](), Flip(), PadCrop(pad=4))
    assert in_order(more)[-1].PLACE == Place.ERASE
    fewer = {name: part for name, part in more.items() if name != "Blacken"}
    images, index = pictures(12), np.arange(12)
    with_it, without = (in_memory(images, INPUT, c, seed=7, epoch=2, index=index) for c in (more, fewer))
    black = (with_it == 0).all(dim=(1, 2))  # (N, columns)
    assert (black.sum(dim=1) >= 1).all()
    assert torch.equal(torch.where(black[:, None, None], without, with_it), without)
    for i in range(12):
        alone, before = (
            functional.pil_to_tensor(photograph(functional.to_pil_image(images[i]), INPUT, c, seed=7, epoch=2, index=i))
            for c in (more, fewer)
        )
        assert torch.equal(torch.where(black[i], before, alone), before)
        assert (alone[:, :, black[i]] == 0).all()
