"""Attribution maps as pictures: colours over the grey picture that the network saw, in one scale for all."""

from __future__ import annotations

import io
import statistics

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from cardinet.data.preprocessing import Preprocessing

SIDE = 240
"""About the longer side of a shown picture in pixels."""

FOR = np.array([(196, 84, 12), (240, 140, 20), (255, 232, 96)], dtype=np.float64)
"""The colours of 0 to 1, which speak for a class: orange to yellow."""
AGAINST = np.array([(16, 92, 170), (40, 140, 220), (150, 226, 255)], dtype=np.float64)
"""The colours of 0 to -1, which speak against it: blue to light blue."""

USUAL = 0.99
"""The scale of a map ends where this share of its places does: single pixels may have much larger values."""

Pixels = npt.NDArray[np.uint8]


def as_picture(pixels: Tensor) -> Pixels:
    """uint8 (C, H, W) of one or three channels as (H, W, 3)."""
    found: Pixels = pixels.expand(3, *pixels.shape[1:]).permute(1, 2, 0).numpy()
    return found


def factor(picture: Pixels) -> int:
    """How many times a picture is enlarged."""
    return max(1, round(SIDE / int(max(picture.shape[:2]))))


def enlarged(picture: Pixels) -> Pixels:
    """The picture with each pixel as a square of `factor` pixels."""
    times = factor(picture)
    return picture.repeat(times, 0).repeat(times, 1)


def top_of(maps: Tensor, *, signed: bool) -> float:
    """The end of the scale for maps (N, h, w): the median of their usual largest values, 0 if all are blank."""
    sizes = [(one.abs() if signed else one.clamp(min=0)).float().numpy() for one in maps]
    tops = [float(np.quantile(one, USUAL)) for one in sizes]
    return statistics.median([top for top in tops if top > 0] or [max(float(one.max()) for one in sizes)])


def overlaid(picture: Pixels, raw: Tensor, top: float, *, signed: bool) -> bytes:
    """A PNG of a map (h, w) over a picture (H, W, 3) in grey; 0 is the picture alone, `top` and more the full colour.

    Values below 0 have colours of their own if `signed`, else they are shown as 0.
    """
    large = enlarged(picture).astype(np.float64)
    smooth = F.interpolate(raw[None, None].float(), large.shape[:2], mode="bilinear")[0, 0].numpy()
    share = np.clip(smooth / top, -1.0 if signed else 0.0, 1.0) if top > 0 else np.zeros(smooth.shape)
    return png(over_grey(large @ (0.299, 0.587, 0.114), share))


def over_grey(grey: npt.NDArray[np.float64], share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Colours (H, W, 3) of shares from -1 to 1 over grey values from 0 to 255, which are darkened and shine through."""
    base = 24 + 0.6 * grey
    weight = 0.9 * np.abs(share)[..., None]
    return (1 - weight) * base[..., None] + weight * coloured(share)


def coloured(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The colours of shares from -1 to 1 as the last axis, 0 to 255."""
    places = np.linspace(0, 1, len(FOR))
    both = [
        np.stack([np.interp(np.abs(share), places, colours[:, i]) for i in range(3)], -1) for colours in (FOR, AGAINST)
    ]
    return np.where((share >= 0)[..., None], *both)


def scale_bar(*, signed: bool) -> bytes:
    """The scale from 0, or from the negative top, to the top, over a middle grey, as a PNG of 240 x 12 pixels."""
    share = np.tile(np.linspace(-1 if signed else 0, 1, SIDE), (12, 1))
    return png(over_grey(np.full(share.shape, 128.0), share))


def png(pixels: npt.NDArray[np.float64] | Pixels) -> bytes:
    """A PNG of colours (H, W, 3), from 0 to 255."""
    buffer = io.BytesIO()
    Image.fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def baseline_colour(preprocessing: Preprocessing) -> str:
    """The colour of a value of 0 for the network in words: what the preprocessing subtracts."""
    levels = [round(255 * value) for value in preprocessing.mean]
    if not any(levels):
        return "black, which is 0 for this network"
    if len(set(levels)) == 1:
        return f"the grey {levels[0]} of 255, which the preprocessing subtracts"
    return f"the colour ({', '.join(map(str, levels))}) of 255, which the preprocessing subtracts"
