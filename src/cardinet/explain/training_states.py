"""The states of a training that can still be seen: its first weights, which are drawn again, and those that it kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cardinet.base.errors import WorkError
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.explain.batch_norm import reestimated, statistics_batches
from cardinet.explain.question import Subject
from cardinet.networks.spec import NetworkSpec
from cardinet.runs.checkpoint import load_checkpoint
from cardinet.train.state import put_weights

START, MODEL = "new weights", "the model"


@dataclass(frozen=True)
class State:
    """A network of a training in eval mode, and what it is called."""

    name: str
    network: Classifier


def new_network(spec: NetworkSpec, seed: int, pixels: Tensor, init: str = "torchvision") -> Classifier:
    """The network of a description with new weights and the BN statistics of a batch, on the device of the batch."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(spec, init=init).to(pixels.device)
    return reestimated(network, statistics_batches(pixels))


def training_states(subject: Subject, pixels: Tensor) -> tuple[list[State], list[str]]:
    """The states of a model's training in their order, and sentences on what they are and on what is not there.

    A run has its first weights, drawn again from its seed, its model (the best on its validation pictures), and its
    last checkpoint; any other model has new weights and its own. A network by its name has only new weights. `pixels`
    are the pictures whose statistics BN gets where there are none.
    """
    model, run = subject.model, subject.run
    if not subject.trained:
        return [State(START, reestimated(subject.network, statistics_batches(pixels)))], [_statistics()]
    said, states = [], []
    if model.rewrites:
        said.append("The model was rewritten after its training began, so its first weights are not drawn again.")
    else:
        seed, init = (subject.seed, "torchvision") if run is None else _start_of(run.record().recipe)
        states.append(State(START, new_network(model.spec, seed, pixels, init)))
        of = "the run" if run is not None else "this answer"
        said.append(f"The new weights are drawn from the seed of {of}, which is {seed}. {_statistics()}")
    states.append(State(MODEL if run is None else _named("best", model.training), subject.network))
    if run is None:
        said.append("Only a run folder has other states of its training than its model.")
        return states, said
    last, why = _last(subject)
    states += [] if last is None else [last]
    also = "A run keeps no other states than its best and its last one. If it was given weights, it began with those."
    return states, [*said, *why, also]


def _start_of(recipe: Mapping[str, Any]) -> tuple[int, str]:
    """The seed and the way of drawing of a run's first weights."""
    return recipe["machine"]["seed"], recipe["network"]["init"]


def _last(subject: Subject) -> tuple[State | None, Sequence[str]]:
    """The state of the run's last checkpoint, or None and the reason."""
    assert subject.run is not None
    if not subject.run.last.exists():
        return None, ["The run has no last checkpoint any more."]
    tensors, progress = load_checkpoint(subject.run.last)
    if progress.get("step") == subject.model.training.get("step"):
        return None, ["The model of the run is its last state too."]
    network = copy.deepcopy(subject.network)
    try:
        put_weights(network, tensors)
    except WorkError:
        return None, ["The last checkpoint has another form of the network than the model, so it is left out."]
    return State(_named("last", progress), network), []


def _named(which: str, about: Mapping[str, Any]) -> str:
    return f"{which}, step {about['step']:,}" if isinstance(about.get("step"), int) else which


def _statistics() -> str:
    return "BN gets the statistics of the sampled pictures there."
