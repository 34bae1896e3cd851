"""What a run will cost on this machine, from a few real steps of its network on made-up pictures."""

from __future__ import annotations

import resource
import statistics
import time
from dataclasses import asdict, dataclass

import torch

from cardinet.base.errors import WorkError
from cardinet.networks.builder import build
from cardinet.rewrite.registry import apply
from cardinet.train.optimizer import NonFinite, forward_backward, make_optimizer, update
from cardinet.train.task import Task

TIMED_STEPS = 3


@dataclass(frozen=True)
class Estimate:
    """Expected seconds of training (evaluations and decoding apart) and peak memory of the process in GB."""

    seconds: float
    gigabytes: float
    images_per_second: float

    def to_document(self) -> dict[str, float]:
        return asdict(self)


def estimate(task: Task) -> Estimate:
    """Time some steps of the task's network at its batch size, after one that is not counted."""
    torch.set_num_threads(task.recipe.machine.threads)
    built = apply(build(task.spec, init=task.recipe.network.init), task.rewrites)
    network = built.to(task.device)
    optimizer = make_optimizer(network, task.recipe.optimizer, task.recipe.pruning.compactor_momentum)
    batch, side = task.clock.batch_size, task.preprocessing.crop
    pixels = torch.randn(batch, task.preprocessing.channels, side, side, device=task.device)
    pixels = pixels.to(memory_format=torch.channels_last)
    labels = torch.zeros(batch, dtype=torch.int64, device=task.device)
    times = []
    for _ in range(TIMED_STEPS + 1):
        started = time.perf_counter()
        try:
            forward_backward(network, pixels, labels, task.recipe.optimizer, task.precision == "bfloat16")
            update(network, optimizer, 0.0, task.recipe.optimizer.clip)
        except NonFinite as error:
            raise WorkError(f"On made-up pictures {error.what}; look at the settings of the network.") from None
        if task.device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    step = statistics.median(times[1:])
    peak = torch.cuda.max_memory_allocated() if task.device != "cpu" else _peak_bytes()
    return Estimate(task.clock.length * step, peak / 1e9, batch / step)


def _peak_bytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
