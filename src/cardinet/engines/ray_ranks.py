"""One work by several processes that talk to each other, through Ray Train: each has the variables of torchrun.

If a process is lost, Ray Train ends the others and starts all of them again, as torchrun does. The work must then go
on from what it has saved.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from cardinet.base.errors import CardinetError, WorkError
from cardinet.engines.engine import Tell
from cardinet.engines.ray_session import library, session

RESTARTS = 100
"""How often the processes are started again."""

SECONDS = 0.3
"""The time between two questions for news."""


def run_ranks(work: Callable[[Tell], Any], processes: int, *, gpus: bool, heard: Callable[[Any], None]) -> Any:
    """What `work` returns in the first process. `heard` gets what any process tells.

    Work that returns an error of Cardinet has ended: it is raised here. Work that raises has lost a process, or its own
    one, and all are started again. Raises WorkError if that happens too often.
    """
    with session(processes, processes if gpus else 0) as ray, tempfile.TemporaryDirectory() as folder:
        board = ray.remote(num_cpus=0)(Board).remote()
        trainer = _trainer(
            {"work": work, "board": board, "launch": f"ray {secrets.token_hex(8)}"}, processes, gpus, folder
        )
        failed: list[BaseException] = []

        def fit() -> None:
            try:
                trainer.fit()
            except BaseException as error:  # raised in the main thread
                failed.append(error)

        # Ray Train waits for its processes. In a thread of its own it leaves Ctrl-C to this program.
        thread = threading.Thread(target=fit, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(SECONDS)
            for told in ray.get(board.news.remote()):
                heard(told)
        results = ray.get(board.results.remote())
    errors = [result for result in results.values() if isinstance(result, CardinetError)]
    if errors:
        raise max(errors, key=lambda error: len(error.findings))  # one process says it for all
    if failed or 0 not in results:
        reason = str(failed[0]).splitlines()[0] if failed else "no result"
        raise WorkError(
            f"Ray has started the processes {RESTARTS + 1} times, and one of them was lost each time ({reason:.200})."
        )
    return results[0]


def _trainer(config: dict[str, Any], processes: int, gpus: bool, folder: str) -> Any:
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    library()
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    from cardinet.engines.ray_meeting import Meeting

    return DataParallelTrainer(
        _rank,
        train_loop_config=config,
        backend_config=Meeting(),
        scaling_config=ScalingConfig(num_workers=processes, use_gpu=gpus, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(name="run", storage_path=folder, failure_config=FailureConfig(max_failures=RESTARTS)),
    )


def _rank(config: dict[str, Any]) -> None:
    """The life of one process."""
    ray = library()
    from ray.train import get_context

    board = config["board"]
    if any(isinstance(result, CardinetError) for result in ray.get(board.results.remote()).values()):
        return  # the work has ended with an error, and the loss of a process was its consequence
    context = get_context()
    os.environ.update(
        RANK=str(context.get_world_rank()),
        WORLD_SIZE=str(context.get_world_size()),
        LOCAL_RANK=str(context.get_local_rank()),
        LOCAL_WORLD_SIZE=str(context.get_local_world_size()),
        TORCHELASTIC_RUN_ID=config["launch"],
    )
    result = config["work"](board.post.remote)
    ray.get(board.settle.remote(context.get_world_rank(), result))


class Board:
    """What the processes tell, and the result of each."""

    def __init__(self) -> None:
        self.told: deque[Any] = deque(maxlen=1000)
        self.settled: dict[int, Any] = {}

    def post(self, message: Any) -> None:
        self.told.append(message)

    def news(self) -> list[Any]:
        found = list(self.told)
        self.told.clear()
        return found

    def settle(self, rank: int, result: Any) -> None:
        self.settled[rank] = result

    def results(self) -> dict[int, Any]:
        return self.settled
