"""Fit a recipe to the pictures: choose the open settings, and refuse those that make no sense for the pictures."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import nn

from cardinet.base.amounts import amount
from cardinet.base.errors import Findings, RequestError
from cardinet.blocks.training_mode import eval_mode
from cardinet.data.kinds import absolute
from cardinet.data.source import Source
from cardinet.measure.counts import count
from cardinet.measure.memory import Memory
from cardinet.measure.picture_fit import is_too_deep, networks_that_fit
from cardinet.networks.registry import find
from cardinet.rewrite.steps import norms_are_folded
from cardinet.runs.environment import device_of, device_on, precision_of
from cardinet.runs.ranks import ALONE, Ranks
from cardinet.train.clock import Clock, make_clock
from cardinet.train.draft import Draft, check_rewritten, draft
from cardinet.train.estimate import require_step
from cardinet.train.input_preprocessing import check_size, choose_preprocessing, choose_size
from cardinet.train.label_fit import check_labels
from cardinet.train.objectives import Objective
from cardinet.train.rate_notes import rate_notes
from cardinet.train.recipe import Recipe
from cardinet.train.task import Task, conditions_of

TINY = 16
ROOMY = 3
"""A picture with this many strides on a side is large enough for convolutions without padding (Inception: 75 / 32)."""
BN = (nn.BatchNorm1d, nn.BatchNorm2d)


def picture_kind(source: Source) -> str:
    """tiny (sides up to 16 pixels), small (in memory) or photographs."""
    if not source.small:
        return "photographs"
    return "tiny" if source.size is not None and max(source.size) <= TINY else "small"


@dataclass(frozen=True)
class Fit:
    """The result of a recipe on a source, as far as it is known without decoding the pictures.

    `memory` is that of a training step on a whole batch.
    """

    network: str
    draft: Draft
    size: int
    device: str
    precision: str
    clock: Clock
    memory: Memory
    ranks: Ranks = ALONE


def check(recipe: Recipe, source: Source, given: Draft | None = None, ranks: Ranks = ALONE) -> Fit:
    """Choose the network, device, precision and steps. `given` is the network if there is a draft already.

    Raises RequestError with everything that does not fit, all at once: the recipe, the network and its size, the
    classes, the objective, the device, the precision, the schedule. Then it raises one for a step that needs too much
    memory.
    """
    findings = Findings()
    with findings:
        _check_kind(recipe, source)
    with findings:
        check_size(recipe.preprocessing, source)
    with findings:
        _fitted(recipe.objective, source)
    with findings:
        check_labels(recipe, source)
    name, size, device, precision, times = "", 0, "cpu", "float32", None
    train = len(source.splits["train"])
    batch_size = min(recipe.training.batch_size, train)
    with findings:
        _check_sampling(recipe, batch_size)
    with findings:
        given = given or draft(recipe, source)
        name = recipe.network.id if recipe.network.spec is not None else find(recipe.network.id).id
        check_rewritten(given.network.num_classes, source)
        size, _ = choose_size(recipe.preprocessing, source)
        if is_too_deep(given.spec, size):
            raise RequestError(_too_deep(name, given.spec.stride, size))
        _check_step(name, given, size, batch_size, recipe.training.parts(batch_size))
    with findings:
        _check_parts(batch_size, ranks)
    with findings:
        device = device_on(device_of(recipe.machine.device), ranks)
        precision = precision_of(recipe.machine.precision, device)
    with findings:
        times = make_clock(recipe.training, train)
        recipe.schedule.check(times)
        _check_momentum(recipe, times)
    if given is not None and times is not None:
        facts = conditions_of(recipe, source, times, size, ranks)
        for method in recipe.methods.values():
            with findings:
                method.check(given.network, facts)
    findings.raise_if_any()
    assert given is not None
    assert times is not None
    memory = require_step(given.network, recipe, size, batch_size // ranks.count, device, precision)
    return Fit(name, given, size, device, precision, times, memory, ranks)


def fit(recipe: Recipe, source: Source, found: Fit, asked: Collection[str] = ()) -> tuple[Task, list[str]]:
    """The task of a recipe on a source with usable pictures only, and notes on the choices.

    `asked` are the augmentations that the user has named; they stay.
    """
    notes = _notes(source)
    if recipe.data.folds is not None:
        notes.append(f"The validation split is fold {recipe.data.fold} of {recipe.data.folds} (0 is the first).")
    source = replace(source, text=absolute(source.text))  # what is stored must not depend on the working folder
    preprocessing = choose_preprocessing(recipe.preprocessing, source, found.draft.network.spec.in_channels)
    if found.clock.batch_size < recipe.training.batch_size:
        notes.append(f"A batch has {amount(found.clock.batch_size, 'picture')}, as the training split has no more.")
    if found.clock.batch_size < recipe.training.accumulate:
        notes.append(f"A batch passes in {found.clock.batch_size} parts of one picture, as it has no more.")
    if norms_are_folded(recipe.network.steps()):
        notes.append(
            "The batch normalisation of this model was folded; without it only a small learning rate such as 0.0001 "
            "works. `cardinet rewrite --unfold` restores it."
        )
    kept = {
        name: part for name, part in recipe.augmentation.items() if source.flips or name in asked or not part.MIRRORS
    }
    if any(part.acts for name, part in recipe.augmentation.items() if name not in kept):
        notes.append("No mirror images: they would change what these pictures mean.")
    if recipe.training.repeats > 1 and not any(part.acts for part in kept.values()):
        notes.append("The repeated pictures of a batch do not differ, as there is no augmentation.")
    objective = _fitted(recipe.objective, source)
    methods = {name: method.fitted() for name, method in recipe.methods.items()}
    recipe = recipe.model_copy(update={"augmentation": kept, "objective": objective, "methods": methods})
    notes += objective.notes(source.labelling)
    notes += rate_notes(recipe, found.clock, found.draft.network)
    recipe = recipe.but("network", id=found.network).but("data", source=source.text)
    rewrites = (*recipe.network.steps(), *(step for method in recipe.methods.values() for step in method.rewrites()))
    spec = found.draft.spec
    task = Task(recipe, found.clock, spec, source, preprocessing, found.device, found.precision, rewrites, found.ranks)
    notes += [note for method in recipe.methods.values() for note in method.notes(task.conditions)]
    return task, notes


def _fitted(objective: Objective, source: Source) -> Objective:
    """The objective for the training pictures of a source. Raises RequestError if its settings do not fit."""
    labels = source.splits["train"].labels
    counts = source.labelling.counts(labels, len(source.classes))
    return objective.fitted(source.classes, counts.tolist(), len(labels))


def _check_sampling(recipe: Recipe, batch_size: int) -> None:
    """Raise RequestError if a batch cannot repeat its pictures, and if classes would be balanced twice."""
    findings, training = Findings(), recipe.training
    with findings:
        if batch_size % training.repeats:
            fits = max(1, round(batch_size / training.repeats)) * training.repeats
            raise RequestError(
                f"training.repeats = {training.repeats} does not divide the {amount(batch_size, 'picture')} of a "
                "batch; give "
                f"--batch-size {fits}."
            )
    with findings:
        if training.balanced and getattr(recipe.objective, "class_weights", None) == "balanced":
            raise RequestError(
                "class_weights = balanced and training.balanced would balance the classes twice; remove one of them."
            )
    findings.raise_if_any()


def _check_momentum(recipe: Recipe, clock: Clock) -> None:
    """Raise RequestError if the schedule moves a momentum that the optimizer does not have."""
    found = [*recipe.optimizer.defaults().items()]
    if recipe.schedule.momentum(0, clock) is None or any(v[0] if isinstance(v, tuple) else v for _, v in found):
        return
    what = f"optimizer.{found[0][0]} is 0" if found else f"{type(recipe.optimizer).__name__} has no momentum"
    raise RequestError(f"{what}, and schedule.momenta moves it; give the optimizer a momentum, or omit the momenta.")


def _check_parts(batch_size: int, ranks: Ranks) -> None:
    """Raise RequestError if the processes cannot divide a batch into equal parts."""
    rest = batch_size % ranks.count
    if rest:
        near = [size for size in (batch_size - rest, batch_size - rest + ranks.count) if size]
        raise RequestError(
            f"batch_size = {batch_size}: {amount(ranks.count, 'process')} cannot divide it into equal parts; give "
            f"{' or '.join(map(str, near))}."
        )


def _check_step(name: str, found: Draft, size: int, batch_size: int, parts: int) -> None:
    """Pass the smallest part of a batch through the network on the meta device, if that can fail.

    Raises RequestError if BN sees a single value of a channel, which has no variance (after a global pool this is any
    part with one picture), and if the picture shrinks to nothing before the last feature map.
    """
    pictures, roomy = batch_size // parts, ROOMY * found.spec.stride
    if pictures > 1 and size >= roomy:
        return
    network = found.network

    channels = network.spec.in_channels

    def passes(side: int) -> bool:
        try:
            count(network, side, channels)
        except RequestError:
            return False
        return True

    if not passes(size) and passes(roomy):
        least = size + bisect_left(range(size, roomy), True, key=passes)
        raise RequestError(
            f'"{name}" shrinks pictures of {size} x {size} pixels to nothing before its last feature map; enlarge them '
            "with "
            f"--set size={least}."
        )
    if pictures > 1:
        return
    with torch.no_grad(), eval_mode(network):
        for module in network.modules():
            module.training = isinstance(module, BN)  # only BN, so that no unit is skipped by chance
        try:
            network(torch.empty(1, channels, size, size, device="meta"))
        except ValueError:
            fewer = " or a smaller training.accumulate" if parts > 1 else ""
            raise RequestError(
                "BN has no variance over a single value, and a part of a batch with one picture gives only one value; "
                f"give --batch-size {2 * parts} or more{fewer}."
            ) from None


def _notes(source: Source) -> list[str]:
    notes = [note.sentence() for note in source.notes]
    if "validation" not in source.splits:
        if "test" in source.splits:
            notes.append("No validation split: the last weights are kept, and test results select nothing.")
        else:
            notes.append("Nothing is evaluated: there is no validation or test split; see --set data.validation=0.1.")
    for name, split in source.splits.items():
        if len(split) < split.total:
            notes.append(f"{name}: {len(split):,} of {split.total:,} pictures are used.")
    return notes


def _check_kind(recipe: Recipe, source: Source) -> None:
    kind = picture_kind(source)
    if kind not in recipe.fits:
        size = "" if source.size is None else f" of {source.size[1]} x {source.size[0]} pixels"
        raise RequestError(
            f'The recipe "{recipe.name}" is made for {" or ".join(recipe.fits)} pictures, but {source.text} holds '
            f"{kind} ones{size}; use --recipe quick, which adapts to the pictures."
        )


def _too_deep(name: str, stride: int, size: int) -> str:
    fits = ", ".join(networks_that_fit(size)[:4]) or "no named network"
    return (
        f'"{name}" is too deep for pictures of {size} x {size} pixels: it divides each side by {stride}, which leaves '
        f"less than a pixel. Networks that fit: {fits}; or enlarge the pictures with --set size={2 * stride}."
    )
