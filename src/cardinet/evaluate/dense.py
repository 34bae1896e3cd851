"""Dense evaluation: a network slides over the whole picture (Simonyan and Zisserman 2014, Section 3.2).

The convolutions run over the resized picture without a crop. The head (pool and classifier) is applied at every place
of the last feature map, on a window of the size that it has for one crop. The scores of all places are averaged. The
papers call this fully convolutional; ResNet's and VGG's best single-model results are of this kind.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cardinet.base.errors import RequestError, WorkError
from cardinet.blocks.classifier import Classifier
from cardinet.build.meta import on_meta
from cardinet.data.batches import Batch
from cardinet.data.decode import PictureError
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Split


class Dense(nn.Module):
    """Logits of pictures of any size, (N, C, H, W) to (N, classes): the mean over all windows of the last map.

    A map that is smaller than the window is one window. The network keeps its own modules and parameters.
    """

    network: Classifier

    def __init__(self, network: Classifier, window: tuple[int, int]) -> None:
        super().__init__()
        self.network = network
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        last = self.network.forward_features(x)
        high, wide = (min(side, full) for side, full in zip(self.window, last.shape[2:], strict=True))
        if (high, wide) == tuple(last.shape[2:]):
            return self.network.forward_head(last)
        n, channels = last.shape[:2]
        windows = F.unfold(last, (high, wide))  # (N, C * high * wide, places)
        windows = windows.transpose(1, 2).reshape(-1, channels, high, wide)
        return self.network.forward_head(windows).view(n, -1, self.network.num_classes).mean(1)


def slide(network: nn.Module, preprocessing: Preprocessing) -> Dense:
    """The network as a dense one, with the window of one crop.

    Raises RequestError for a module that is not a network of Cardinet.
    """
    if not isinstance(network, Classifier):
        raise RequestError(f"{type(network).__name__} has no separate head, so it cannot be evaluated densely.")
    side, channels = preprocessing.crop, preprocessing.channels
    with torch.no_grad():
        empty: Classifier = on_meta(network)
        last = empty.forward_features(torch.empty(1, channels, side, side, device="meta"))
    return Dense(network, (last.shape[2], last.shape[3]))


def whole_pictures(split: Split, preprocessing: Preprocessing, *, batch_size: int, device: str) -> Iterator[Batch]:
    """Every sample once, in order: resized pictures without a crop; neighbours of one size share a batch.

    Raises WorkError with the name of a picture that cannot be decoded.
    """
    kept: list[Tensor] = []
    for i in range(len(split)):
        picture = _whole(split, i, preprocessing)
        if kept and (picture.shape != kept[0].shape or len(kept) == batch_size):
            yield _batch(kept, split, i, preprocessing, device)
            kept = []
        kept.append(picture)
    if kept:
        yield _batch(kept, split, len(split), preprocessing, device)


def _whole(split: Split, i: int, preprocessing: Preprocessing) -> Tensor:
    """A resized picture as pixels, uint8 (C, H, W). One that is smaller than the crop gets a black border."""
    try:
        image = preprocessing.resized(preprocessing.to_mode(split.picture(i)))
    except PictureError as error:
        raise WorkError(f"{split.names[i]}: {error.kind}: {error.detail}.") from error
    if min(image.size) < preprocessing.crop:
        image = preprocessing.centre_crop(image)
    pixels = np.array(image, dtype=np.uint8).reshape(image.height, image.width, -1)
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _batch(kept: list[Tensor], split: Split, end: int, preprocessing: Preprocessing, device: str) -> Batch:
    index = np.arange(end - len(kept), end)
    labels = split.labelling.tensor(split.labels[index]).to(device)
    return Batch(preprocessing.normalise(torch.stack(kept).to(device)), labels, index)
