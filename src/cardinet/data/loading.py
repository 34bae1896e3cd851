"""Photographs decoded and augmented in worker processes, whole batches at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
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

    def batch(self, request: Request, stopped: Callable[[], bool] = lambda: False) -> torch.Tensor:
        """uint8 (B, C, crop, crop), stored with the channels last. Raises WorkError that names the picture.

        Once it is `stopped`, the pictures that are left are not decoded.
        """
        epoch, indices = request
        side, channels = self.preprocessing.crop, self.preprocessing.channels
        pixels = np.empty((len(indices), side, side, channels), dtype=np.uint8)
        for place, index in enumerate(indices):
            if stopped():
                break
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
        self.stop = multiprocessing.RawValue("b", 0)  # shared with the workers, without a lock that a dead one may hold

    def __getitem__(self, request: Request) -> torch.Tensor | str:
        try:
            return self.work.batch(request, lambda: bool(self.stop.value))
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
    data = _Requests(work)
    batches = _start(data, _Again(requests), workers, device)
    try:
        for item in batches:
            if isinstance(item, str):
                raise WorkError(*item.split("\n"))
            yield item
    except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
        # Which one it is depends on whether the worker died while it handed a batch over.
        if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
            raise
        _stop(batches, data)  # first: until the dead worker is taken off torch's list, its signal may raise here again
        raise WorkError(
            "A worker process that decodes pictures was ended from outside, most often because the memory "
            "(or shared memory, /dev/shm) was used up; try fewer --workers."
        ) from error
    finally:
        _stop(batches, data)


def _stop(batches: Any, data: _Requests) -> None:
    """Tell the workers to stop, after the picture at hand, and wait for them; end those that do not."""
    data.stop.value = 1
    with suppress(RuntimeError):  # torch's signal handler may report a worker's death in the middle of this
        batches._shutdown_workers()
    for worker in batches._workers:
        if worker.is_alive():
            worker.kill()
            worker.join()


def _start(data: _Requests, requests: _Again, workers: int, device: torch.device) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores is the user's choice
        # From Python 3.12 on every fork beside a thread warns, and torch has threads. A worker takes none of the
        # locks that they may hold: it decodes with Pillow and NumPy, and torch is told to use one thread there.
        warnings.filterwarnings(
            "ignore", r"This process \(pid=\d+\) is multi-threaded, use of fork", DeprecationWarning
        )
        loader = DataLoader(
            data,
            batch_size=None,
            sampler=requests,
            num_workers=workers,
            # Forked workers share the source and have this process as their parent. From Python 3.14 on the default
            # on Linux is another process that forks; elsewhere the default (spawn) is the one that is safe.
            multiprocessing_context="fork" if sys.platform == "linux" else None,
            pin_memory=device.type == "cuda",
            worker_init_fn=partial(_follow_parent, os.getpid()),
            generator=torch.Generator(),  # else the loader advances the global one, which the network may draw from
        )
        with _blocked_signals():
            return iter(loader)


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait. A worker inherits that, so that none ends it before it runs `_follow_parent`."""
    if sys.platform != "linux":  # a spawned worker would keep them blocked
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow_parent(parent: int, _: int) -> None:
    """Make this worker live exactly as long as its parent wants.

    Ctrl-C, and the SIGTERM of a scheduler (scancel, timeout, systemd), reach the whole process group, and the parent
    may still finish its step and save: here they do nothing. The parent's own SIGTERM ends the worker; Python sends
    it to those that are left when it exits, and then waits for them. When the parent is gone the worker ends:
    torch's own watch may wait for a queue that nobody reads any more.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            if sys.platform != "linux":  # elsewhere a signal's sender cannot be asked for; torch's handler stays
                time.sleep(1.0)
                continue
            # It is blocked in all threads (`_blocked_signals`), so that it waits here until it is taken.
            received = signal.sigtimedwait({signal.SIGTERM}, 1.0)
            if received is not None and received.si_pid == parent:
                os._exit(0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
