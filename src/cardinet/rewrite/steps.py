"""Rewrites as data. A step is the name of a rewrite with arguments; a list of steps changes a network in turn."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from cardinet.base.errors import Findings, RequestError, nearest
from cardinet.base.rounding import EXACT
from cardinet.build.meta import on_meta
from cardinet.build.size_bound import check_size
from cardinet.rewrite.classes import classes, kept_logits
from cardinet.rewrite.deepen import deepen
from cardinet.rewrite.fold import fold, unfolded
from cardinet.rewrite.forms import to_form
from cardinet.rewrite.input_channels import in_channels, repeated
from cardinet.rewrite.merge_branches import merge_branches, unmerged
from cardinet.rewrite.narrow import compact, narrow
from cardinet.rewrite.packing import pack, unpack
from cardinet.rewrite.strip import strip
from cardinet.rewrite.temperature import Scaled, with_temperature
from cardinet.rewrite.unfold import measure_statistics, unfold
from cardinet.rewrite.widen import widen


@dataclass(frozen=True)
class Same:
    """Two modules that must give equal outputs for pictures with `channels` channels (None: those of the network)."""

    before: nn.Module
    after: nn.Module
    channels: int | None = None


@dataclass(frozen=True)
class Rewrite:
    """One rewrite as a contract.

    `apply(network, **arguments)` gives a new network and does not change the old one. The structure of the new network
    depends only on the arguments and on the old structure, so that `apply` works on the meta device and when a model
    file is loaded. `same(before, after, **arguments)` gives the outputs that must be equal (by default all logits).
    `limit` is the allowed difference in float64, relative to the largest logit. `stays(network)` names the modules that
    the rewrite would not change, each with the reason. `settle(after, batches)` sets statistics from pictures without a
    change of the function.
    """

    apply: Callable[..., nn.Module]
    same: Callable[..., Same] = lambda before, after, **arguments: Same(before, after)
    limit: float = EXACT
    stays: Callable[[nn.Module], Mapping[str, str]] = lambda network: {}
    settle: Callable[[nn.Module, Iterable[Tensor]], nn.Module] | None = None


def _kept(before: nn.Module, after: nn.Module, rows: Sequence[int], seed: int = 0) -> Same:
    return Same(*kept_logits(before, after, rows))


def _repeated(before: nn.Module, after: nn.Module, channels: int) -> Same:
    spec: Any = before.spec
    return Same(*repeated(before, after, spec.in_channels, channels), min(spec.in_channels, channels))


def _scaled(before: nn.Module, after: nn.Module, temperature: float, was: float = 1.0) -> Same:
    return Same(Scaled(before, was / temperature), after)


REWRITES: dict[str, Rewrite] = {
    "strip": Rewrite(strip),
    "classes": Rewrite(classes, _kept),
    "in_channels": Rewrite(in_channels, _repeated),
    "deepen": Rewrite(deepen),
    "widen": Rewrite(widen),
    "form": Rewrite(to_form),
    "merge_branches": Rewrite(merge_branches, stays=unmerged),
    "fold": Rewrite(fold, stays=unfolded),
    "compact": Rewrite(compact),
    "narrow": Rewrite(narrow, limit=math.inf),
    "unfold": Rewrite(unfold, settle=measure_statistics),
    "pack": Rewrite(pack),
    "unpack": Rewrite(unpack),
    "temperature": Rewrite(with_temperature, _scaled),
}
"""The rewrites by their names in a model file."""


@dataclass(frozen=True)
class Step:
    """One rewrite with its arguments as plain data, as a model file holds it.

    Raises RequestError for an unknown name, and for unknown or missing arguments.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in REWRITES:
            raise RequestError(f'There is no rewrite "{self.name}" ({nearest(self.name, REWRITES)}).')
        _, *known = inspect.signature(REWRITES[self.name].apply).parameters.values()
        names = [p.name for p in known]
        wrong = [
            f'The rewrite "{self.name}" has no argument "{name}" ({nearest(name, names)}).'
            for name in self.arguments
            if name not in names
        ]
        wrong += [
            f'The rewrite "{self.name}" needs the argument "{p.name}".'
            for p in known
            if p.default is p.empty and p.name not in self.arguments
        ]
        if wrong:
            raise RequestError(*wrong)

    def to_document(self) -> dict[str, Any]:
        """Plain data: `{"name": "form", "arguments": {"form": "b"}}`."""
        return {"name": self.name, "arguments": dict(self.arguments)}

    @classmethod
    def from_document(cls, document: Any) -> Step:
        """The step in a document. Raises RequestError for an invalid document."""
        right = isinstance(document, Mapping) and set(document) <= {"name", "arguments"}
        if not right or not isinstance(document.get("name"), str):
            raise RequestError(f'A rewrite must be {{"name": ..., "arguments": {{...}}}}, not {document!r}.')
        arguments = document.get("arguments", {})
        if not isinstance(arguments, Mapping):
            raise RequestError(
                f'The arguments of the rewrite "{document["name"]}" must be a mapping by name, not {arguments!r}.'
            )
        return cls(document["name"], arguments)


def steps_from_document(documents: Iterable[Any]) -> tuple[Step, ...]:
    """The steps of a model file in order. Raises RequestError with the faults of all of them."""
    steps, found = [], Findings()
    for document in documents:
        with found:
            steps.append(Step.from_document(document))
    found.raise_if_any()
    return tuple(steps)


def apply(network: nn.Module, steps: Iterable[Step]) -> nn.Module:
    """The network after all steps, in order; without steps the network itself.

    Raises RequestError if a step does not fit its network, or makes one that is larger than `base.bounds` allows.
    """
    for step in steps:
        network = REWRITES[step.name].apply(network, **step.arguments)
        check_size(network)
    return network


def norms_are_folded(steps: Iterable[Step]) -> bool:
    """Whether BN was folded and not unfolded again."""
    last = [step.name for step in steps if step.name in ("fold", "unfold")][-1:]
    return last == ["fold"]


def try_steps(network: nn.Module, steps: Iterable[Step]) -> tuple[nn.Module, ...]:
    """Try steps on the meta device: the network, and the network after each step, all without values.

    Raises RequestError with the reasons of all steps that do not fit. Such a step is skipped for the later ones.
    """
    found, forms = Findings(), [on_meta(network)]
    for step in steps:
        with found:
            forms.append(apply(forms[-1], [step]))
    found.raise_if_any()
    return tuple(forms)
