"""Attribution maps as pictures: their scale, their colours, and the colour of deleted places."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cardinet.data.preprocessing import Preprocessing
from cardinet.explain.map_pictures import as_picture, baseline_colour, coloured, over_grey, overlaid, top_of


def test_the_scale_ends_at_a_usual_value() -> None:
    maps = torch.zeros(3, 10, 20)
    maps[0, 0, :4], maps[1, 0, :4], maps[2, 0, :4] = 2.0, -8.0, 6.0
    maps[2, 5, 5] = 1000.0
    assert top_of(maps, signed=True) == pytest.approx(6.0)
    assert top_of(maps, signed=False) == pytest.approx(4.0)
    assert top_of(-maps.abs(), signed=False) == 0.0


def test_colours_are_over_grey_and_signs_differ() -> None:
    """0 is the grey picture whatever its colours; larger sizes are lighter; signs have other hues."""
    yellow = as_picture(torch.tensor([250, 220, 20], dtype=torch.uint8)[:, None, None].expand(3, 40, 40))
    raw = torch.tensor([[-1.0, 0.0, 1.0]])

    def pixels(signed: bool) -> np.ndarray[Any, Any]:
        return np.asarray(Image.open(io.BytesIO(overlaid(yellow, raw, 1.0, signed=signed)))).astype(int)

    signed, plain = pixels(signed=True), pixels(signed=False)
    middle, width = signed.shape[0] // 2, signed.shape[1]
    red, _, blue = signed[middle, width - 1]
    assert red > blue + 100
    red, _, blue = signed[middle, 0]
    assert blue > red + 80
    assert np.ptp(signed[middle, width // 2]) < 20
    assert np.ptp(plain[middle, 0]) == 0
    assert np.array_equal(plain[middle, width - 1], signed[middle, width - 1])
    for side in (np.linspace(0, 1, 9), np.linspace(0, -1, 9)):
        assert (np.diff(coloured(side).sum(-1)) > 0).all()
    assert np.allclose(over_grey(np.array([[0.0, 255.0]]), np.zeros((1, 2)))[0, :, 0], (24, 177))


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        ((0.0, 0.0, 0.0), "black"),
        ((0.5, 0.5, 0.5), "the grey 128 of 255"),
        ((0.485, 0.456, 0.406), r"the colour \(124, 116, 104\) of 255"),
    ],
)
def test_the_colour_of_deleted_places(mean: tuple[float, ...], words: str) -> None:
    preprocessing = Preprocessing(channels=3, crop=8, mean=mean, std=(0.25,) * 3)
    pixels = torch.tensor([round(255 * value) for value in mean], dtype=torch.uint8)[None, :, None, None]
    assert preprocessing.normalise(pixels).abs().max() < 0.01
    assert re.search(words, baseline_colour(preprocessing))
