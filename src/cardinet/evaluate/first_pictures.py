"""The first pictures of a job as the network gets them: the choice of a runtime compares answers on them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from cardinet.data.batches import evaluation_batches
from cardinet.data.decode import PictureError
from cardinet.data.ordered_pictures import OrderedPictures, Span
from cardinet.data.source import Split
from cardinet.runs.model_file import Model


def first_of(pictures: OrderedPictures, model: Model, pixel_limit: int, most: int) -> Tensor | None:
    """The first pictures that can be used, at most so many, float32 (N, C, H, W) on the model's device, or None.

    After twice as many pictures the search ends.
    """

    def usable() -> Iterator[Tensor]:
        for picture in Span(pictures, 0, min(2 * most, len(pictures))):
            try:
                yield model.preprocessing.picture(picture.image(pixel_limit))
            except PictureError:
                continue

    found = list(islice(usable(), most))
    if not found:
        return None
    return model.preprocessing.normalise(torch.stack(found).to(next(model.network.parameters()).device))


def first_of_split(split: Split, model: Model, most: int) -> Tensor | None:
    """The first pictures of a split, as `first_of`. Raises WorkError for one that cannot be decoded."""
    few = split.chosen(np.arange(min(most, len(split))))
    device = next(model.network.parameters()).device
    batches = evaluation_batches(few, model.preprocessing, batch_size=most, workers=0, device=device)
    return next((batch.pixels for batch in batches), None)
