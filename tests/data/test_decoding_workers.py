"""The worker processes that decode pictures: how their failures arrive, and that they end with their parent."""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import connection, queues
from pathlib import Path

import numpy as np
import pytest
import torch

from cardinet.base.errors import WorkError
from cardinet.data import loading
from cardinet.data.batches import evaluation_batches
from cardinet.data.data_settings import DataSettings
from cardinet.data.loading import WorkerLost
from cardinet.data.source import open_source
from cardinet.data.source_listing import Encoded
from data.streams import COLOUR, VARIED, take, train_batches


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_picture_stops_training_by_name(photographs: Path, workers: int) -> None:
    path = photographs / "train" / "cat" / "5.jpg"
    path.write_bytes(path.read_bytes()[:400])
    split = open_source(str(photographs), DataSettings()).splits["train"]
    with pytest.raises(WorkError, match=rf"^{path}: truncated"):
        take(train_batches(split, COLOUR, VARIED, batch_size=7, workers=workers), 4)


# what torch tidies up after the killed process may find its connection reset
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_killed_worker_is_a_plain_error(photographs: Path) -> None:
    import torch.multiprocessing as workers_of

    split = open_source(str(photographs), DataSettings()).splits["train"]
    batches = train_batches(split, COLOUR, VARIED, batch_size=7, workers=1)
    stream = batches.stream()
    next(stream)
    os.kill(workers_of.active_children()[0].pid or 0, signal.SIGKILL)
    with pytest.raises(WorkError, match="worker"):
        list(itertools.islice(stream, 50))
    batches.close()


HANDING_OVER = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EMFILE, "Too many open files"),
    MemoryError(),
    pickle.PicklingError("it cannot be pickled"),
    RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)"),
]


@pytest.mark.parametrize("error", HANDING_OVER, ids=lambda error: type(error).__name__)
def test_a_worker_that_cannot_hand_a_batch_over_is_a_sentence(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The thread of the worker's queue fails, and the worker would live on."""
    ours, dumps = os.getpid(), queues._ForkingPickler.dumps  # type: ignore[attr-defined]

    def fails(*arguments: object) -> object:
        if os.getpid() != ours:
            raise error
        return dumps(*arguments)

    monkeypatch.setattr(queues._ForkingPickler, "dumps", fails)  # type: ignore[attr-defined]
    split = open_source(str(photographs), DataSettings()).splits["train"]
    start = time.monotonic()
    with pytest.raises(WorkerLost, match=r"could not pass its pictures on \(.+\); try fewer workers") as caught:
        list(evaluation_batches(split, COLOUR, batch_size=7, workers=2, device="cpu"))
    assert time.monotonic() - start < 8
    assert str(error) in str(caught.value)


def test_batches_that_shared_memory_does_not_hold_go_through_pipes(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = open_source(str(photographs), DataSettings()).splits["train"]
    needed = 7 * 32 * 32 * 3 * (2 * 2 + 2)
    requests = [loading.Request(0, np.arange(7)), loading.Request(1, np.arange(7, 14))]
    work = loading.Work(split, COLOUR, VARIED, 1)
    handed = []
    for free in (needed, needed - 1):
        monkeypatch.setattr(loading, "free_shared_memory", lambda free=free: free)
        handed.append(list(loading.decoded(work, lambda: requests, workers=2, device=torch.device("cpu"))))
    assert [batch.is_shared() for batch in handed[0]] == [True, True]
    assert [batch.is_shared() for batch in handed[1]] == [False, False]
    assert all(map(torch.equal, *handed))
    assert all(batch.is_contiguous(memory_format=torch.channels_last) for batch in handed[0] + handed[1])


def test_workers_that_cannot_be_started_are_a_sentence(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    split = open_source(str(photographs), DataSettings()).splits["train"]
    with pytest.raises(WorkerLost, match=r"could not be started \(Resource temporarily unavailable\); try fewer"):
        take(train_batches(split, COLOUR, VARIED, batch_size=7, workers=2), 1)


def test_the_death_of_a_worker_is_told_where_a_batch_is_waited_for(photographs: Path) -> None:
    """Not wherever the main thread is, such as in an update of the parameters."""
    import torch.multiprocessing as workers_of

    split = open_source(str(photographs), DataSettings()).splits["train"]
    batches = train_batches(split, COLOUR, VARIED, batch_size=7, workers=1)
    stream = batches.stream()
    next(stream)
    (worker,) = workers_of.active_children()
    os.kill(worker.pid or 0, signal.SIGKILL)
    worker.join()
    time.sleep(0.05)  # the signal has come, and nothing was raised
    with pytest.raises(WorkerLost, match="was killed, most often"):
        next(stream)
    batches.close()


def test_an_interrupt_of_the_process_group_leaves_the_workers_at_work(photographs: Path) -> None:
    import torch.multiprocessing as workers_of

    split = open_source(str(photographs), DataSettings()).splits["train"]
    batches = train_batches(split, COLOUR, VARIED, batch_size=7, workers=2)
    stream = batches.stream()
    next(stream)
    for worker in workers_of.active_children():
        os.kill(worker.pid or 0, signal.SIGINT)
    assert len(list(itertools.islice(stream, 20))) == 20
    batches.close()


def test_a_parent_that_hangs_up_while_it_takes_a_batch_over_is_no_traceback(
    photographs: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As when a signal ends its wait: the worker's thread that gives the batch away meets a closed connection."""
    split = open_source(str(photographs), DataSettings()).splits["train"]
    parent, answer, hung_up = os.getpid(), connection.answer_challenge, []

    def hang_up(line: connection.Connection, key: bytes) -> None:
        if os.getpid() != parent:
            answer(line, key)
            return
        hung_up.append(line)
        line.close()
        time.sleep(0.3)  # until the worker has met it
        raise KeyboardInterrupt

    monkeypatch.setattr(connection, "answer_challenge", hang_up)
    with pytest.raises(KeyboardInterrupt):
        take(train_batches(split, COLOUR, VARIED, batch_size=7, workers=1), 1)
    assert (len(hung_up), capfd.readouterr().err) == (1, "")


def test_close_ends_the_workers(photographs: Path) -> None:
    import torch.multiprocessing as workers_of

    split = open_source(str(photographs), DataSettings()).splits["train"]
    batches = train_batches(split, COLOUR, VARIED, batch_size=7, workers=2)
    stream = batches.stream()
    next(stream)
    assert len(workers_of.active_children()) == 2
    batches.close()
    assert workers_of.active_children() == []
    assert list(stream) == []


class Slow:
    """Encoded pictures that take `delay` seconds each, which this process sets for its workers."""

    def __init__(self, base: Encoded) -> None:
        self.base = base
        self.delay = multiprocessing.RawValue("d", 0.0)

    def read(self, index: int) -> bytes:
        time.sleep(self.delay.value)
        return self.base.read(index)


def test_close_does_not_wait_for_the_batches_at_work(photographs: Path) -> None:
    split = open_source(str(photographs), DataSettings()).splits["train"]
    assert split.encoded is not None
    slow = Slow(split.encoded)
    batches = train_batches(replace(split, encoded=slow), COLOUR, VARIED, batch_size=24, workers=2)
    stream = batches.stream()
    next(stream)
    time.sleep(1)  # until all batches are there that are made in advance
    slow.delay.value = 0.5  # 12 seconds for a batch
    next(stream)
    next(stream)
    start = time.monotonic()
    batches.close()
    assert time.monotonic() - start < 3


PARENT = """
import itertools, multiprocessing, os, signal, sys, threading, time
from cardinet.data.batches import TrainBatches
from cardinet.data.preprocessing import Preprocessing
from cardinet.data.data_settings import DataSettings
from cardinet.data.sampling import Sampling
from cardinet.data.source import open_source
split = open_source(sys.argv[1], DataSettings()).splits["train"]
preprocessing = Preprocessing(channels=3, crop=32, mean=(.5,) * 3, std=(.5,) * 3)
batches = TrainBatches(split, preprocessing, {}, sampling=Sampling(0, 4), workers=2, device="cpu")
stream = batches.stream()
"""
STARTED = """
next(stream)
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""


def parent(code: str, photographs: Path, *options: str) -> subprocess.Popen[str]:
    """A process of its own group that runs PARENT and the code."""
    command = [sys.executable, *options, "-c", PARENT + code, str(photographs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_a_killed_parent_leaves_no_workers(photographs: Path) -> None:
    with parent(STARTED + "time.sleep(60)", photographs) as process:
        assert process.stdout is not None
        workers = [int(word) for word in process.stdout.readline().split()]
        process.kill()
    assert len(workers) == 2
    for _ in range(200):
        if not any(running(worker) for worker in workers):
            return
        time.sleep(0.1)
    pytest.fail("worker processes outlive their killed parent")


SAVES = (
    """
asked = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: asked.set())
"""
    + STARTED
    + """
asked.wait()
time.sleep(0.5)
count = len(list(itertools.islice(stream, 20)))
start = time.monotonic()
batches.close()
print(count, time.monotonic() - start, len(multiprocessing.active_children()))
"""
)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the sender of a signal cannot be asked for")
def test_a_sigterm_to_the_process_group_leaves_the_workers_at_work(photographs: Path) -> None:
    with parent(SAVES, photographs) as process:
        assert process.stdout is not None
        assert len(process.stdout.readline().split()) == 2
        os.killpg(process.pid, signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    count, seconds, left = output.split()
    assert (count, left) == ("20", "0")
    assert float(seconds) < 3


@pytest.mark.long
def test_a_parent_that_does_not_close_can_exit(photographs: Path) -> None:
    with parent(STARTED + "kept = stream.gi_frame\nraise SystemExit(3)", photographs) as process:
        assert process.stdout is not None
        workers = [int(word) for word in process.stdout.readline().split()]
        process.communicate(timeout=20)
    assert process.returncode == 3
    assert len(workers) == 2
    assert not any(running(worker) for worker in workers)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are not forked")
@pytest.mark.long
def test_workers_are_forked_whatever_the_default_and_beside_threads(photographs: Path) -> None:
    code = "multiprocessing.set_start_method('forkserver')\nthreading.Thread(target=time.sleep, args=(2,)).start()"
    parents = "print(*(open(f'/proc/{c.pid}/stat').read().split()[3] for c in multiprocessing.active_children()))"
    with parent(
        f"{code}{STARTED}{parents}; batches.close()", photographs, "-W", "error::DeprecationWarning"
    ) as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert output.splitlines()[1].split() == [str(process.pid)] * 2


def running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
