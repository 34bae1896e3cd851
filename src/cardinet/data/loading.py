"""Decode and augment photographs in worker processes, a whole batch at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import AuthenticationError
from multiprocessing.queues import Queue
from types import FrameType, TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data._utils.signal_handling import _error_if_any_worker_fails  # type: ignore[attr-defined]

from cardinet.base.errors import WorkError
from cardinet.data.augmentations import Augmentation
from cardinet.data.augmenting import Sized, augmented_picture, reduction
from cardinet.data.decode import PictureError
from cardinet.data.draws import Draws
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.source import Split


class Request(NamedTuple):
    """The epoch and the sample indices of one batch, and the side of its pictures; None: that of the input."""

    epoch: int
    samples: npt.NDArray[np.int64]
    side: int | None = None


Pixels = npt.NDArray[np.uint8]

AHEAD = 2
"""The number of batches that a worker makes in advance."""

PATIENCE = 2.0
"""Seconds that the workers get to stop by themselves."""

REASON = 400
"""The most bytes of the reason that a worker gives when it fails."""

LOSSES = ("DataLoader worker", "Pin memory thread", "Too many open files", "ancdata", "shared memory", "mmap")
"""Words in torch's errors for a worker that has died, or whose batch cannot be received."""


class WorkerLost(WorkError):
    """A worker process has died, could not pass a batch on, or could not be started."""


@dataclass(frozen=True, eq=False)
class Work:
    """The work of a worker: decode each picture, then augment it (without augmentations: resize and crop it).

    With `draft` a JPEG is decoded at the reduced scale that suffices for the draws of its sample.
    """

    split: Split
    preprocessing: Preprocessing
    augmentation: Mapping[str, Augmentation]
    seed: int
    draft: bool = False
    _sized: dict[int, Sized] = field(default_factory=dict)

    def pixels(self, request: Request, stopped: Callable[[], bool] = lambda: False) -> Pixels:
        """uint8 (B, side, side, C). Raises WorkError that names the picture.

        Once `stopped()` is true, the remaining pictures are not decoded.
        """
        sized = self._of_side(request.side)
        side, channels = sized.preprocessing.crop, self.preprocessing.channels
        pixels = np.empty((len(request.samples), side, side, channels), dtype=np.uint8)
        for place, sample in enumerate(request.samples):
            if stopped():
                break
            pixels[place] = self._picture(sized, request.epoch, int(sample)).reshape(side, side, channels)
        return pixels

    def batch(self, request: Request) -> torch.Tensor:
        """The pixels as a tensor (B, C, side, side), stored with the channels last."""
        return channels_first(torch.from_numpy(self.pixels(request)))

    def bytes(self, request: Request) -> int:
        """The most bytes of a batch of so many samples."""
        return len(request.samples) * self.preprocessing.crop**2 * self.preprocessing.channels

    def _of_side(self, side: int | None) -> Sized:
        side = side or self.preprocessing.crop
        if side not in self._sized:
            # Photographs that are not resized differ in size; their shorter side is taken as that of the input.
            self._sized[side] = Sized(self.preprocessing, self.augmentation).of_side(side, self.preprocessing.crop)
        return self._sized[side]

    def _picture(self, sized: Sized, epoch: int, sample: int) -> Pixels:
        index = sample % len(self.split)
        draws = Draws(self.seed, epoch, sample)
        reduced = partial(reduction, preprocessing=sized.preprocessing, augmentation=sized.augmentation, draws=draws)
        image = self.split.picture(index, reduced if self.draft else None)
        try:
            return np.asarray(augmented_picture(image, sized.preprocessing, sized.augmentation, draws))
        except PictureError as error:
            raise WorkError(f"{self.split.names[index]}: {error.kind}: {error.detail}.") from error


def channels_first(pixels: torch.Tensor) -> torch.Tensor:
    """(B, H, W, C) as (B, C, H, W), in the same memory."""
    return pixels.permute(0, 3, 1, 2)


class _Requests(Dataset[Any]):
    """The data set that torch's workers see. Its keys are whole requests, its items whole batches.

    A batch is a tensor, which torch passes in shared memory, or an array, which goes through a pipe. For a picture that
    cannot be decoded the item is the error itself: an error raised in a worker would arrive as a traceback.
    """

    def __init__(self, work: Work, *, shared: bool) -> None:
        self.work, self.shared = work, shared
        # Shared with the workers, without a lock: a dead worker might hold it.
        self.stop = multiprocessing.RawValue("b", 0)
        self.failure = multiprocessing.RawArray("c", REASON)

    def __getitem__(self, request: Request) -> torch.Tensor | Pixels | WorkError:
        try:
            pixels = self.work.pixels(request, lambda: bool(self.stop.value))
        except WorkError as error:
            return WorkError(*error.findings)
        return torch.from_numpy(pixels) if self.shared else pixels

    def give_up(self, error: Exception, item: object) -> None:
        """End this worker, as its batch cannot be passed on: its parent would wait forever."""
        text = str(error) if isinstance(error, RuntimeError) else f"{type(error).__name__}: {error}"
        self.failure.value = text.encode("utf-8", "backslashreplace")[: REASON - 1]
        os._exit(1)

    def lost(self) -> WorkerLost:
        """The error for a worker that has died."""
        reason = self.failure.value.decode("utf-8", "ignore")
        if reason:
            return WorkerLost(
                f"A worker process could not pass its pictures on ({reason}); try fewer workers (--workers), or 0, "
                "which decodes without them."
            )
        return WorkerLost(
            "A worker process that decodes pictures was killed, most often because the memory (or shared memory, "
            "/dev/shm) was full; try fewer workers (--workers)."
        )


class _Again:
    """An iterable that starts from the beginning each time, as a sampler must."""

    def __init__(self, start: Callable[[], Iterable[Request]]) -> None:
        self.start = start

    def __iter__(self) -> Iterator[Request]:
        return iter(self.start())


def decoded(
    work: Work, requests: Callable[[], Iterable[Request]], *, workers: int, device: torch.device
) -> Iterator[torch.Tensor]:
    """The requested batches, in order: uint8 (B, C, crop, crop). With 0 workers this process makes them.

    The workers live over epochs, until the iterator is closed. They always end with this process, however it ends.
    Raises WorkError that names a picture that cannot be decoded, and WorkerLost if a worker process has died.
    """
    if workers == 0:
        for request in requests():
            yield work.batch(request)
        return
    first = next(iter(requests()), None)
    needed = 0 if first is None else work.bytes(first) * (AHEAD * workers + 2)  # the parent holds two
    data, batches = _start(work, _Again(requests), workers, device, shared=needed <= free_shared_memory())
    try:
        while (item := _next(batches, data)) is not None:
            if isinstance(item, WorkError):
                raise item
            yield channels_first(item if isinstance(item, torch.Tensor) else torch.from_numpy(item))
    finally:
        _stop(batches, data)


def free_shared_memory() -> int:
    """Bytes left for batches in shared memory. A Docker container has 64 MB unless it is told otherwise."""
    if sys.platform != "linux":
        return sys.maxsize
    try:
        state = os.statvfs("/dev/shm")
    except OSError:
        return 0
    return state.f_bavail * state.f_frsize


def _next(batches: Iterator[Any], data: _Requests) -> Any:
    """The next batch of the workers; None at the end. Raises WorkerLost."""
    try:
        with _Deaths.heard():
            return next(batches, None)
    except (RuntimeError, OSError, EOFError) as error:
        # The kind of error depends on the moment at which the worker died, and on the resource that was missing.
        if isinstance(error, RuntimeError) and not any(sign in str(error) for sign in LOSSES):
            raise
        _stop(batches, data)
        if "Too many open files" in str(error) or "ancdata" in str(error):
            raise WorkerLost(
                "The pictures of the worker processes could not be received: too many files are open (`ulimit -n`); "
                "try 0 workers (--workers 0)."
            ) from error
        raise data.lost() from error


class _Deaths:
    """Let torch report a dead worker only while a batch is awaited.

    Torch's handler of SIGCHLD would raise anywhere in the main thread, for example inside an update of parameters.
    """

    waiting = False
    torch: Callable[[int, FrameType | None], Any] | None = None

    @classmethod
    def hold(cls) -> None:
        """Replace torch's handler."""
        handler = signal.getsignal(signal.SIGCHLD)
        if callable(handler) and handler != cls._hear and threading.current_thread() is threading.main_thread():
            cls.torch = handler
            signal.signal(signal.SIGCHLD, cls._hear)

    @classmethod
    def _hear(cls, number: int, frame: FrameType | None) -> None:
        if cls.waiting and cls.torch is not None:
            cls.torch(number, frame)

    @classmethod
    @contextmanager
    def heard(cls) -> Iterator[None]:
        cls.waiting = True
        try:
            _error_if_any_worker_fails()  # since the last time
            yield
        finally:
            cls.waiting = False


def _stop(batches: Any, data: _Requests) -> None:
    """Tell the workers to stop after their current picture, and wait for them. Kill those that do not stop."""
    data.stop.value = 1
    timer = threading.Timer(PATIENCE, lambda: [worker.kill() for worker in batches._workers])
    if ends := not sys.is_finalizing():  # else no thread can start
        timer.start()
    try:
        batches._shutdown_workers()
    finally:
        if ends:
            timer.cancel()
    for worker in batches._workers:
        if worker.is_alive():
            worker.kill()
            worker.join()


def _start(
    work: Work, requests: _Again, workers: int, device: torch.device, *, shared: bool
) -> tuple[_Requests, Iterator[Any]]:
    """Start the workers. Raises WorkerLost if the system refuses."""
    try:
        data = _Requests(work, shared=shared)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores: a user's choice
            # From Python 3.12 on, a fork in a process with threads warns, and torch has threads. A worker takes none of
            # their locks: it decodes with Pillow and NumPy, and torch uses one thread there.
            warnings.filterwarnings(
                "ignore", r"This process \(pid=\d+\) is multi-threaded, use of fork", DeprecationWarning
            )
            loader = DataLoader(
                data,
                batch_size=None,
                sampler=requests,
                num_workers=workers,
                collate_fn=_as_it_is,
                # Forked workers share the source and are children of this process. From Python 3.14 on, Linux forks
                # from another process by default; on other systems only the default (spawn) is safe.
                multiprocessing_context="fork" if sys.platform == "linux" else None,
                pin_memory=device.type == "cuda",
                prefetch_factor=AHEAD,
                worker_init_fn=partial(_begin, os.getpid(), data),
                generator=torch.Generator(),  # else the loader advances the global generator, which the network may use
            )
            with _blocked_signals():
                batches = iter(loader)
    except (OSError, ImportError) as error:  # the system has no processes, files or semaphores left, or none at all
        reason = getattr(error, "strerror", None) or str(error)
        raise WorkerLost(
            f"The worker processes that decode pictures could not be started ({reason}); try fewer workers "
            "(--workers), or 0, which decodes without them."
        ) from error
    _Deaths.hold()
    return data, batches


def _as_it_is(item: Any) -> Any:
    return item


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """Block SIGINT and SIGTERM. A worker inherits that, so that neither ends it before it runs `_follow_parent`."""
    if sys.platform != "linux":  # a spawned worker would keep them blocked
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: int, data: _Requests, _: int) -> None:
    """Set a worker up before its first batch."""
    # A thread of torch's queue turns batches into bytes. By default an error there is printed and the worker lives on.
    Queue._on_queue_feeder_error = staticmethod(data.give_up)  # type: ignore[attr-defined]
    sys.excepthook = _unless_hung_up
    _follow_parent(parent)


def _unless_hung_up(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error of a worker, except if the parent has closed the connection while it received a batch.

    The parent closes it if a signal ends its wait. A Python thread in the worker passes on the batches in shared
    memory.
    """
    if not issubclass(kind, (ConnectionError, EOFError, AuthenticationError)):
        sys.__excepthook__(kind, error, trace)


def _follow_parent(parent: int) -> None:
    """Make this worker live exactly as long as its parent wants.

    Ctrl-C, and the SIGTERM of a scheduler (scancel, timeout, systemd), reach the whole process group. The worker
    ignores them, as the parent may still finish its step and save. The parent's own SIGTERM ends the worker: Python
    sends it at exit to the remaining workers and waits for them. If the parent has died, the worker ends itself:
    torch's own watch may wait for a queue that nobody reads.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            if sys.platform != "linux":  # other systems do not tell the sender of a signal; torch's handler stays
                time.sleep(1.0)
                continue
            # The signal is blocked in all threads (`_blocked_signals`), so it stays pending until this call takes it.
            received = signal.sigtimedwait({signal.SIGTERM}, 1.0)
            if received is not None and received.si_pid == parent:
                os._exit(0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
