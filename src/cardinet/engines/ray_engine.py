"""The engine of Ray: processes on this machine or on a cluster, each with an actor that does one item at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from cardinet.base.errors import CardinetError, WorkError
from cardinet.engines.engine import Heard, Item, Result, Work
from cardinet.engines.ray_session import library

LOSSES = 20
"""How often an item may lose its process before the work fails."""

SECONDS = 0.5
"""The time between two questions how far the processes are."""

END = object()


class RayEngine:
    """Does items in `processes` processes of Ray, each with `gpus` GPUs. It needs a session (`ray_session`).

    A process that is lost is started again, and its item is done again.
    """

    here = False

    def __init__(self, processes: int, gpus: int = 0) -> None:
        self.processes = processes
        self.gpus = gpus

    def each(
        self, begin: Callable[[], Work[Item, Result]], items: Iterable[Item], heard: Heard[Item]
    ) -> Iterator[tuple[Item, Result]]:
        """As `Engine.each`. Raises WorkError if an item loses its process too often."""
        ray = library()
        # Two threads: one works, the other one answers the question how far it is.
        how = {"num_cpus": 1, "num_gpus": self.gpus, "max_concurrency": 2}
        actor = ray.remote(max_restarts=-1, max_task_retries=LOSSES, **how)(Worker)
        waiting, free, running = iter(items), list[Any](), dict[Any, tuple[Any, Item]]()
        started = list[Any]()
        asked: dict[Any, tuple[Any, Item]] = {}
        try:
            while True:
                while len(running) < self.processes:
                    item: Any = next(waiting, END)
                    if item is END:
                        break
                    if not free:
                        free.append(actor.remote(begin))
                        started.append(free[-1])
                    worker = free.pop()
                    running[worker.work.remote(item)] = worker, item
                if not running:
                    return
                done, _ = ray.wait([*running], num_returns=1, timeout=SECONDS)
                finished = [(*running.pop(result), result) for result in done]
                _listen(ray, running, asked, heard)
                for worker, item, result in finished:
                    free.append(worker)
                    yield item, _result(ray, result)
        finally:
            for worker in started:
                with suppress(Exception):  # it is gone already
                    ray.kill(worker)


def _listen(ray: Any, running: dict[Any, tuple[Any, Any]], asked: dict[Any, tuple[Any, Any]], heard: Any) -> None:
    """Pass on what the processes have told, and ask each of them again. Nothing waits for an answer."""
    answered = ray.wait([*asked], num_returns=len(asked), timeout=0)[0] if asked else []
    for question in answered:
        worker, asked_of = asked.pop(question)
        with suppress(ray.exceptions.RayError):  # the process was lost; its next one is asked
            for told in ray.get(question):
                if (worker, asked_of) in running.values():
                    heard(asked_of, told)
    for worker, item in running.values():
        if all(worker is not other for other, _ in asked.values()):
            asked[worker.news.options(max_task_retries=0).remote()] = worker, item


def _result(ray: Any, ref: Any) -> Any:
    """The result of an item. Raises what its work raised, WorkError if its process was lost too often."""
    try:
        result = ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        raise error.as_instanceof_cause() from None
    except ray.exceptions.RayError as error:
        if "creation task" in str(error):  # not lost: a fault in the program, such as work that cannot be pickled
            raise
        raise WorkError(
            f"A process of Ray was lost {LOSSES + 1} times with the same work, perhaps for lack of memory; use fewer "
            f"processes (--processes) or smaller batches. Ray says: {str(error).splitlines()[0]:.200}"
        ) from None
    if isinstance(result, CardinetError):
        raise result
    return result


class Worker:
    """What lives in a process of Ray: the work, and what it has told since it was last asked."""

    def __init__(self, begin: Callable[[], Work[Any, Any]]) -> None:
        self.begin = begin
        self.kept: Work[Any, Any] | None = None
        self.told: deque[Any] = deque(maxlen=64)

    def work(self, item: Any) -> Any:
        """The result of an item, or the error for the user that was raised."""
        self.told.clear()
        try:
            self.kept = self.kept or self.begin()
            return self.kept(item, self.told.append)
        except CardinetError as error:
            return error

    def news(self) -> list[Any]:
        """What was told since the last question."""
        found = []
        while self.told:
            found.append(self.told.popleft())
        return found
