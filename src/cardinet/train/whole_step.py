"""The batches of a run, and a whole step: what the methods do to a batch, its gradient, and the update."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from cardinet.data.batches import Batch, TrainBatches
from cardinet.train.gradient_sum import average_gradients
from cardinet.train.task import Task
from cardinet.train.trainee import Trainee
from cardinet.train.training_step import NonFinite, forward_backward, update


def train_batches(task: Task) -> TrainBatches:
    """The batches of a run in this process."""
    return TrainBatches(
        task.source.splits["train"],
        task.preprocessing,
        task.recipe.augmentation,
        sampling=task.sampling,
        workers=task.recipe.machine.workers,
        device=task.device,
        part=task.ranks.share,
        side=task.sides.of_step,
    )


def whole_step(
    task: Task, subject: Trainee, batch: Batch, done: int, lr: float, momentum: float | None = None
) -> tuple[Tensor, Tensor]:
    """Train on a batch at a learning rate, after `done` steps; return (mean loss, wrong decisions) of all processes.

    `momentum` takes the place of the optimizer's.

    Raises NonFinite, before the parameters change, if the loss or the gradient is NaN or infinite. On a GPU a loss that
    is not finite is not noticed here, as that would wait for the device.
    """
    training, hooks = task.recipe.training, subject.hooks.values()
    if task.precision == "float64":
        batch = replace(batch, pixels=batch.pixels.double())
    for method in hooks:
        batch = method.see(batch, done)
    pass_through = partial(
        forward_backward,
        pixels=batch.pixels,
        labels=batch.labels,
        labelling=task.source.labelling,
        parts=training.accumulate,
        autocast=task.precision == "bfloat16",
        checked=task.ranks.alone,
    )
    loss, wrong = pass_through(subject.network, objective=task.recipe.objective, hooks=hooks)
    for method in hooks:
        method.after_backward(lambda network, objective: pass_through(network, objective=objective)[0])
    if not task.ranks.alone:
        loss, wrong = _together(task, subject, loss, wrong)
    for method in hooks:
        method.before_update(done)
    update(subject.whole, subject.optimizer, lr, training.clip, momentum)
    for method in hooks:
        method.after_update(done)
    return loss, wrong


def _together(task: Task, subject: Trainee, loss: Tensor, wrong: Tensor) -> tuple[Tensor, Tensor]:
    """Average the gradients over all processes; return the mean loss and the sum of the wrong answers."""
    ranks = task.ranks
    average_gradients(subject.whole, ranks)
    loss, wrong = ranks.sum(torch.stack([loss / ranks.count, wrong.to(loss.dtype)]))
    if loss.device.type == "cpu" and not loss.isfinite():
        raise NonFinite(f"the loss is {loss.item()}")
    return loss, wrong
