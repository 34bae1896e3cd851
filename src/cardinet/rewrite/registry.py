"""Rewrites as data: a step is a name with arguments, and a list of steps turns one network into another."""

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
from cardinet.rewrite.branches import merge_branches, unmerged
from cardinet.rewrite.deepen import deepen
from cardinet.rewrite.fold import fold, unfolded
from cardinet.rewrite.forms import to_form
from cardinet.rewrite.head import classes, kept_logits
from cardinet.rewrite.inputs import in_channels, repeated
from cardinet.rewrite.narrow import compact, narrow
from cardinet.rewrite.packing import pack, unpack
from cardinet.rewrite.strip import strip
from cardinet.rewrite.unfold import measured, unfold
from cardinet.rewrite.widen import widen


@dataclass(frozen=True)
class Same:
    """Two modules that have to give the same logits for pictures of so many channels (None: the network's)."""

    before: nn.Module
    after: nn.Module
    channels: int | None = None


@dataclass(frozen=True)
class Rewrite:
    """One rewrite as a contract.

    `apply(network, **arguments)` gives a new network; the one given stays as it is. What the new one is made of follows
    from the arguments and the old one's structure alone, so that the meta device works as well and a model file can be
    loaded; only its values follow from the old one's. `same(before, after, **arguments)` says what the two have in
    common (by default all logits), and `limit` by how much that may differ in float64, relative to the largest logit.
    `stays(network)` names what the rewrite would leave as it is, each with the reason. `settle(after, batches)` gives
    values that follow from pictures, and changes nothing of the function.
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
    "unfold": Rewrite(unfold, settle=measured),
    "pack": Rewrite(pack),
    "unpack": Rewrite(unpack),
}
"""By the name that stands in a model file."""


@dataclass(frozen=True)
class Step:
    """One rewrite with its arguments (plain data), as it stands in a model file.

    Raises RequestError when it is made with a name or with argument names that this version does not know.
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
        """The step that a document describes. Raises RequestError for a document of another shape."""
        right = isinstance(document, Mapping) and set(document) <= {"name", "arguments"}
        if not right or not isinstance(document.get("name"), str):
            raise RequestError(f'A rewrite is written as {{"name": ..., "arguments": {{...}}}}, not as {document!r}.')
        arguments = document.get("arguments", {})
        if not isinstance(arguments, Mapping):
            raise RequestError(
                f'The arguments of the rewrite "{document["name"]}" are a mapping by name, not {arguments!r}.'
            )
        return cls(document["name"], arguments)


def steps_from_document(documents: Iterable[Any]) -> tuple[Step, ...]:
    """The steps of a model file in order. Raises RequestError with everything that is wrong in any of them."""
    steps, found = [], Findings()
    for document in documents:
        with found:
            steps.append(Step.from_document(document))
    found.raise_if_any()
    return tuple(steps)


def apply(network: nn.Module, steps: Iterable[Step]) -> nn.Module:
    """The network after all steps, in order; without steps the network itself.

    Raises RequestError where a step does not fit the network that it meets, or gives one that is larger than
    `base.bounds` allows.
    """
    for step in steps:
        network = REWRITES[step.name].apply(network, **step.arguments)
        check_size(network)
    return network


def folded(steps: Iterable[Step]) -> bool:
    """Whether BN was folded and not put back."""
    last = [step.name for step in steps if step.name in ("fold", "unfold")][-1:]
    return last == ["fold"]


def tried(network: nn.Module, steps: Iterable[Step]) -> tuple[nn.Module, ...]:
    """A network, and what each step in order makes of it, all without values (on the meta device).

    Raises RequestError with everything for which steps refuse the network; one that refuses is left out for those after
    it.
    """
    found, forms = Findings(), [on_meta(network)]
    for step in steps:
        with found:
            forms.append(apply(forms[-1], [step]))
    found.raise_if_any()
    return tuple(forms)
