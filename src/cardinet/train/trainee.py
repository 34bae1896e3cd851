"""Everything that changes during training: the network, its optimizer, and the state of the methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import nn

from cardinet.blocks.classifier import Classifier
from cardinet.blocks.joined_norm import join_norms
from cardinet.blocks.own_grouped_conv import take_own_grouped
from cardinet.blocks.recomputation import recomputing
from cardinet.blocks.synced_batch_norm import synced
from cardinet.rewrite.steps import apply
from cardinet.train.callbacks import names_of
from cardinet.train.methods import Hooks, Method
from cardinet.train.task import Task
from cardinet.train.training_step import make_optimizer


@dataclass
class Trainee:
    """The changing parts of a run. `hooks` have the names of their methods and are called in this order."""

    network: Classifier
    optimizer: torch.optim.Optimizer
    hooks: dict[str, Hooks] = field(default_factory=dict)

    @property
    def whole(self) -> nn.Module:
        """All that is trained, as one module: the network, and what methods train beside it."""
        beside = [module for hooks in self.hooks.values() if (module := hooks.beside) is not None]
        return nn.ModuleList([self.network, *beside]) if beside else self.network

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The parameters of the network under their names, and those beside it under the name of their method too."""
        yield from self.network.named_parameters()
        for method, hooks in self.hooks.items():
            if hooks.beside is not None:
                yield from hooks.beside.named_parameters(f"method.{method}")

    def judged(self) -> Classifier:
        """The network for evaluations and model files."""
        network = self.network
        for hooks in self.hooks.values():
            network = hooks.judged(network)
        return network

    def figures(self) -> Mapping[str, float]:
        """The entries of the methods in a training line of metrics.jsonl."""
        return {name: value for hooks in self.hooks.values() for name, value in hooks.figures().items()}


def trainee(task: Task, built: Classifier, done: int = 0, callbacks: Sequence[Method] = ()) -> Trainee:
    """The trainee of a task: its network after the task's rewrites. `built` already has the first `done` of them.

    `callbacks` are further methods, which act after those of the recipe.
    """
    methods, conditions = task.recipe.methods, task.conditions
    network = cast(Classifier, apply(built, task.rewrites[done:])).to(task.device)
    if task.precision == "float64":
        network = network.double()
    if not task.ranks.alone and task.recipe.training.sync_norm:
        synced(network)
    recomputing(network, task.recipe.training.recompute)
    apart = [group for method in methods.values() for group in method.groups(network)]
    optimizer = make_optimizer(network, task.recipe.optimizer, apart)
    every = {**methods, **dict(zip(names_of(callbacks), callbacks, strict=True))}
    hooks = {name: method.hooks(network, optimizer, conditions) for name, method in every.items()}
    if task.recipe.machine.kernels == "own":
        join_norms(network)  # last, so that methods see the network as it is described
        take_own_grouped(network)
    return Trainee(network, optimizer, hooks)
