"""Fitting a recipe to the pictures: what is left open is chosen, what has no meaning on them is refused."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from cardinet.base.errors import Findings, RequestError
from cardinet.data.kinds import absolute
from cardinet.data.source import Source
from cardinet.measure.fit import fitting, too_deep
from cardinet.networks.builder import build
from cardinet.networks.registry import find
from cardinet.rewrite.registry import apply, folded
from cardinet.runs.environment import device_of, precision_of
from cardinet.train.inputs import check_size, choose_preprocessing, choose_size
from cardinet.train.prune import COMPACT, check_pruning
from cardinet.train.recipe import Recipe
from cardinet.train.schedule import Clock, clock
from cardinet.train.task import Task
from cardinet.weights.printed import some

TINY = 16
ROOMY = 3
"""With so many strides on a side no picture is used up by convolutions that lose a border (Inception: 75 / 32)."""
BN = (nn.BatchNorm1d, nn.BatchNorm2d)


def kind_of(source: Source) -> str:
    """tiny (sides up to 16 pixels), small (in memory) or photographs."""
    if not source.small:
        return "photographs"
    return "tiny" if source.size is not None and max(source.size) <= TINY else "small"


@dataclass(frozen=True)
class Fit:
    """What a recipe comes to on a source, as far as that is known without decoding its pictures."""

    network: str
    spec: Any
    channels: int
    size: int
    device: str
    precision: str
    clock: Clock


def check(recipe: Recipe, source: Source) -> Fit:
    """Choose the network, device, precision and steps.

    Raises RequestError with everything that does not fit, all at once: the recipe, the network and its size, the
    classes, the device, the precision, the schedule.
    """
    findings = Findings()
    with findings:
        _check_kind(recipe, source)
    with findings:
        check_size(recipe.preprocessing, source)
    size, device, precision, spec, times = 0, "cpu", "float32", None, None
    empty: Any = None
    train = len(source.splits["train"])
    batch_size = min(recipe.training.batch_size, train)
    with findings:
        if recipe.network.id == "auto":
            raise RequestError("Name a network: the recipe leaves it open. `cardinet list` shows all.")
        name = recipe.network.id if recipe.network.spec is not None else find(recipe.network.id).id
        spec = network_for(recipe, source)
        empty = apply(build(spec, device="meta"), recipe.network.steps())
        check_rewritten(empty.spec.num_classes, source)
        size, _ = choose_size(recipe.preprocessing, source)
        if too_deep(spec, size):
            raise RequestError(_too_deep(name, spec.stride, size))
        _check_step(name, spec, size, batch_size, min(recipe.optimizer.accumulate, batch_size))
    with findings:
        device = device_of(recipe.machine.device)
        precision = precision_of(recipe.machine.precision, device)
    with findings:
        times = clock(recipe, train // batch_size, batch_size)
    if recipe.pruning.keep_macs is not None and empty is not None and times is not None:
        with findings:
            check_pruning(recipe.pruning, empty, size, times)
    findings.raise_if_any()
    assert empty is not None
    assert times is not None
    return Fit(name, spec, empty.spec.in_channels, size, device, precision, times)


def fit(recipe: Recipe, source: Source, flips_asked: bool) -> tuple[Task, list[str]]:
    """The task of a recipe on a source whose pictures can all be used, and notes on what was chosen.

    Raises RequestError as `check` does.
    """
    found, notes = check(recipe, source), _notes(source)
    source = replace(source, text=absolute(source.text))  # what is stored must not depend on the working folder
    preprocessing = choose_preprocessing(recipe.preprocessing, source, found.channels)
    if found.clock.batch_size < recipe.training.batch_size:
        notes.append(f"A batch has {found.clock.batch_size} pictures, as there are no more for training.")
    if folded(recipe.network.steps()):
        notes.append(
            "This model has no BN, which was folded; without it only a small learning rate, as 0.0001, will do. "
            "`cardinet rewrite --unfold` puts it back."
        )
    if not source.flips and not flips_asked and recipe.augmentation.flip > 0:
        notes.append("No mirror images: they would change what these pictures mean.")
        recipe = recipe.but("augmentation", flip=0.0)
    recipe = recipe.but("network", id=found.network).but("data", source=source.text)
    rewrites = (*recipe.network.steps(), *((COMPACT,) if recipe.pruning.keep_macs is not None else ()))
    return Task(recipe, found.clock, found.spec, source, preprocessing, found.device, found.precision, rewrites), notes


def _check_step(name: str, spec: Any, size: int, batch_size: int, parts: int) -> None:
    """Pass the smallest part of a batch through the network without its numbers, where that can fail.

    Raises RequestError where BN sees a single value of a channel, which has no variance (behind a global pool that is
    any part of one picture), and where the picture is used up before the last feature map.
    """
    pictures = batch_size // parts
    if pictures > 1 and size >= ROOMY * spec.stride:
        return
    network = build(spec, device="meta")
    for module in network.modules():
        module.training = isinstance(module, BN)  # no other, so that no unit is skipped by chance

    def passes(side: int, count: int = 2) -> bool:
        try:
            network(torch.empty(count, spec.in_channels, side, side, device="meta"))
        except RuntimeError:
            return False
        return True

    with torch.no_grad():
        if not passes(size) and passes(ROOMY * spec.stride):
            least = size + bisect_left(range(size, ROOMY * spec.stride), True, key=passes)
            raise RequestError(
                f'"{name}" uses up pictures of {size} x {size} pixels before its last feature map; enlarge them with '
                f"--set size={least}."
            )
        if pictures > 1:
            return
        try:
            passes(size, pictures)
        except ValueError:
            fewer = " or a smaller optimizer.accumulate" if parts > 1 else ""
            raise RequestError(
                "BN has no variance over a single value, and a part of a batch with one picture comes down to "
                f"one; give --batch-size {2 * parts} or more{fewer}."
            ) from None


def _notes(source: Source) -> list[str]:
    notes = [note.sentence() for note in source.notes]
    if "validation" not in source.splits:
        if "test" in source.splits:
            notes.append("No validation split: nothing is selected, the last weights are kept; test only watches.")
        else:
            notes.append("Nothing is evaluated: there is no validation or test split; see --set data.validation=0.1.")
    for name, split in source.splits.items():
        if len(split) < split.total:
            notes.append(f"{name}: {len(split):,} of {split.total:,} pictures are used.")
    return notes


def _check_kind(recipe: Recipe, source: Source) -> None:
    kind = kind_of(source)
    if kind not in recipe.fits:
        size = "" if source.size is None else f" of {source.size[1]} x {source.size[0]} pixels"
        raise RequestError(
            f'The recipe "{recipe.name}" is made for {" or ".join(recipe.fits)} pictures, and {source.text} holds '
            f"{kind} ones{size}; use --recipe quick, which fits itself to the pictures."
        )


def network_for(recipe: Recipe, source: Source) -> Any:
    """The description of a recipe's network for the classes and channels of a source, or those that are asked for.

    Raises RequestError for an unknown network and for settings that do not fit.
    """
    spec, delta = recipe.network.described(), recipe.network.delta
    if recipe.network.rewrites:  # by steps that know its classes and channels, and may have changed them
        if delta:
            raise RequestError(f"{', '.join(delta)}: a rewritten model's network is as it is; leave its settings out.")
        return spec
    made = spec.but(**{"num_classes": len(source.classes), "in_channels": source.channels, **delta})
    if made.num_classes != len(source.classes):
        raise RequestError(
            f"num_classes = {made.num_classes}: the data has {len(source.classes)} classes; leave the setting out."
        )
    if made.in_channels not in (1, 3):
        raise RequestError(f"in_channels = {made.in_channels}: pictures have 1 (grey) or 3 (colour) channels.")
    return made


def check_rewritten(count: int, source: Source, classes: tuple[str, ...] = ()) -> None:
    """Raise RequestError where a rewritten model has other classes than the source; a plain network follows this.

    The model has `count` classes; their names are compared too, in order, where they are known.
    """
    if count != len(source.classes):
        have = f"has {count} classes and {source.text} {len(source.classes)}"
    elif classes and classes != source.classes:
        have = f"has the classes {some(classes)}, and {source.text} has {some(source.classes)}"
    else:
        return
    raise RequestError(f"The model {have}; give it those first: cardinet rewrite MODEL --classes A,B,C.")


def _too_deep(name: str, stride: int, size: int) -> str:
    fits = ", ".join(fitting(size)[:4]) or "no named network"
    return (
        f'"{name}" is too deep for pictures of {size} x {size} pixels: it divides each side by {stride}, which leaves '
        f"less than a pixel. What fits: {fits}; or enlarge the pictures with --set size={2 * stride}."
    )
