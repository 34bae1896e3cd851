"""Photographs decoded and augmented in worker processes, whole batches at a time."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from cardinet.base.errors import WorkError
from cardinet.data.decode import PictureError
from cardinet.data.photographs import augmented
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.settings import AugmentationSettings
from cardinet.data.source import Split

Request = tuple[int, npt.NDArray[np.int64]]
"""The epoch and the sample indices of one batch."""


@dataclass(frozen=True, eq=False)
class Work:
    """What a worker does: decode, then augment (or, with no augmentation, resize and crop) each picture."""

    split: Split
    preprocessing: Preprocessing
    augmentation: AugmentationSettings | None
    seed: int

    def batch(self, request: Request) -> torch.Tensor:
        """uint8 (B, C, crop, crop), stored with the channels last. Raises WorkError that names the picture."""
        epoch, indices = request
        side, channels = self.preprocessing.crop, self.preprocessing.channels
        pixels = np.empty((len(indices), side, side, channels), dtype=np.uint8)
        for place, index in enumerate(indices):
            pixels[place] = self._picture(epoch, int(index)).reshape(side, side, channels)
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def _picture(self, epoch: int, index: int) -> npt.NDArray[np.uint8]:
        image = self.split.picture(index)
        try:
            if self.augmentation is None:
                return np.asarray(self.preprocessing.fit(image))
            return np.asarray(
                augmented(image, self.preprocessing, self.augmentation, seed=self.seed, epoch=epoch, index=index)
            )
        except PictureError as error:
            raise WorkError(f"{self.split.names[index]}: {error.kind}: {error.detail}.") from error


class _Requests(Dataset[Any]):
    """The data set that torch's workers see: its keys are whole requests, its items whole batches.

    A picture that cannot be decoded comes back as its sentence: raised there, it would arrive as a traceback.
    """

    def __init__(self, work: Work) -> None:
        self.work = work

    def __getitem__(self, request: Request) -> torch.Tensor | str:
        try:
            return self.work.batch(request)
        except WorkError as error:
            return str(error)


class _Again:
    """An iterable that starts anew each time, as a sampler must."""

    def __init__(self, start: Callable[[], Iterable[Request]]) -> None:
        self.start = start

    def __iter__(self) -> Iterator[Request]:
        return iter(self.start())


def decoded(
    work: Work, requests: Callable[[], Iterable[Request]], *, workers: int, device: torch.device
) -> Iterator[torch.Tensor]:
    """The requested batches, in order: uint8 (B, C, crop, crop). With 0 workers in this process.

    The workers live until the iterator is closed, over epochs, and end with this process, however it ends.
    Raises WorkError that names a picture that cannot be decoded, and when a worker process has died.
    """
    if workers == 0:
        for request in requests():
            yield work.batch(request)
        return
    batches = _start(_Requests(work), _Again(requests), workers, device)
    try:
        for item in batches:
            if isinstance(item, str):
                raise WorkError(*item.split("\n"))
            yield item
    except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
        # Which one it is depends on whether the worker died while it handed a batch over.
        if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
            raise
        _stop(batches)  # first: until the dead worker is taken off torch's list, its signal may raise here again
        raise WorkError(
            "A worker process that decodes pictures was ended from outside, most often because the memory "
            "(or shared memory, /dev/shm) was used up; try fewer --workers."
        ) from error
    finally:
        _stop(batches)


def _stop(batches: Any) -> None:
    """Tell the workers to stop and wait for them."""
    with suppress(RuntimeError):  # torch's signal handler may report a worker's death in the middle of this
        batches._shutdown_workers()


def _start(data: _Requests, requests: _Again, workers: int, device: torch.device) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores is the user's choice
        loader = DataLoader(
            data,
            batch_size=None,
            sampler=requests,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            worker_init_fn=partial(_follow_parent, os.getpid()),
            generator=torch.Generator(),  # else the loader advances the global one, which the network may draw from
        )
        return iter(loader)


def _follow_parent(parent: int, _: int) -> None:
    """Make this worker live exactly as long as its parent wants.

    Ctrl-C reaches the whole process group, and the parent may still finish its step and save. When the parent is
    gone the worker ends: torch's own watch may wait for a queue that nobody reads any more.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
