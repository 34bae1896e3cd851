"""What a run writes while it trains: its checkpoints and its model file, beside the steps."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from cardinet.base.in_turn import InTurn
from cardinet.data.data_settings import DIVIDING
from cardinet.runs.folder import RunFolder
from cardinet.runs.metrics import Metrics
from cardinet.runs.model_file import Model, write_model
from cardinet.train.state import Progress, capture, random_of_all, save_state
from cardinet.train.task import Task
from cardinet.train.trainee import Trainee


class Saving:
    """Writes the checkpoints and the model file of a run. Of several processes only the leader writes.

    The steps wait only while the tensors are copied: a thread writes the copies, in the order best checkpoint, model
    file, last checkpoint. At most one copy exists at a time.
    """

    def __init__(self, task: Task, subject: Trainee, folder: RunFolder, metrics: Metrics) -> None:
        self.task = task
        self.subject = subject
        self.folder = folder
        self.metrics = metrics
        self.writes = InTurn()

    def save(self, progress: Progress, *, best: bool = False, model: bool = False) -> None:
        """Begin to write the last checkpoint, and the `best` one and the `model` file if asked.

        It waits for what was begun before. Raises WorkError if that could not be written.
        """
        random = random_of_all(self.subject, self.task.ranks)  # every process gives its own
        if not self.task.ranks.leads:
            return
        self.writes.wait()
        length, progress = self.metrics.length(), copy.deepcopy(progress)
        states = [{**capture(self.subject), **random}]
        if model:
            states.append(dict(self.subject.judged().state_dict()))
        state, *judged = held_on_host(states)
        self.writes.give(self.metrics.flush)
        if best:
            self.writes.give(partial(save_state, self.folder.best, state, progress, length))
        if model:
            self.writes.give(partial(write_model, self.folder.model, self.model(progress), *judged))
        self.writes.give(partial(save_state, self.folder.last, state, progress, length))

    def model(self, progress: Progress) -> Model:
        """The present classifier, at some `progress`."""
        task, step = self.task, progress.step
        training = {
            "network": task.recipe.network.id,
            "recipe": task.recipe.name,
            "data": task.source.text,
            "pictures": {
                "fingerprint": task.source.fingerprint,
                **task.recipe.data.model_dump(include=set(DIVIDING)),
            },
            "step": step,
            "steps": task.clock.length,
            "epoch": task.clock.epoch(step),
            "validation": progress.best,
        }
        return Model(
            self.subject.judged(),
            task.spec,
            task.source.classes,
            task.preprocessing,
            rewrites=task.rewrites,
            training=training,
            labelling=task.source.labelling,
            thresholds=task.source.labelling.first_thresholds(len(task.source.classes)),
        )


def held_on_host(states: Sequence[Mapping[str, Tensor]]) -> list[dict[str, Tensor]]:
    """Copies of tensors in the host's memory, in their own layout. A tensor that occurs several times has one copy."""
    held: dict[tuple[Any, ...], Tensor] = {}

    def copied(tensor: Tensor) -> Tensor:
        key = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()) if tensor.numel() else (id(tensor),)
        if key not in held:
            held[key] = tensor.detach().clone() if tensor.device.type == "cpu" else tensor.detach().cpu()
        return held[key]

    return [{name: copied(tensor) for name, tensor in state.items()} for state in states]
