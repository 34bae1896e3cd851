"""Attribution maps as pictures: laid over the picture that the network saw, in one scale."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from cardinet.data.preprocessing import Preprocessing

SIDE = 160
"""The side of a shown picture in pixels, at least."""

ANCHORS = np.array([(24, 24, 72), (30, 96, 145), (60, 160, 130), (180, 205, 80), (255, 240, 120)], dtype=np.float64)
"""The colours of 0 to 1, from dark to light, so that the scale reads without colours too."""


def seen(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Normalised pixels (C, H, W) as the network saw them, float (H, W, 3) from 0 to 255."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (preprocessing.mean, preprocessing.std))
    shown = ((pixels.cpu() * std + mean) * 255).clamp(0, 255)
    return shown.expand(3, *shown.shape[1:]).permute(1, 2, 0)


def overlaid(picture: Tensor, raw: Tensor, top: float) -> bytes:
    """A PNG of a map (h, w) over a picture (H, W, 3): 0 is the picture alone, darkened; `top` and more is lightest.

    Negative contributions are shown as 0.
    """
    height, width = picture.shape[:2]
    factor = max(1, -(-SIDE // max(height, width)))
    size = (height * factor, width * factor)
    smooth = F.interpolate(raw.clamp(min=0)[None, None].float(), size, mode="bilinear")[0, 0]
    share = (smooth / top).clamp(0, 1).cpu().numpy() if top > 0 else np.zeros(size)
    large = picture.numpy().repeat(factor, 0).repeat(factor, 1)
    weight = (0.15 + 0.6 * share)[..., None]
    return png((1 - weight) * large + weight * coloured(share))


def coloured(share: np.ndarray) -> np.ndarray:
    """The colours of shares from 0 to 1, as the last axis, 0 to 255."""
    places = np.linspace(0, 1, len(ANCHORS))
    return np.stack([np.interp(share, places, ANCHORS[:, i]) for i in range(3)], -1)


def scale_bar() -> bytes:
    """The scale from 0 to the top, as a PNG."""
    return png(coloured(np.tile(np.linspace(0, 1, SIDE), (12, 1))))


def png(pixels: np.ndarray) -> bytes:
    """A PNG of colours (H, W, 3), from 0 to 255."""
    buffer = io.BytesIO()
    Image.fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
