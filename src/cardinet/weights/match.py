"""Loading weights into a network, and saying what became of every tensor."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.networks.builder import build
from cardinet.weights.contents import Weights
from cardinet.weights.nearest import nearest_network
from cardinet.weights.recognise import HEAD, LEARNT, Names, fits, recognise, required
from cardinet.weights.settled import PAD, WAYS, applicable, padding, require_padding


@dataclass(frozen=True)
class Match:
    """What is loaded (our names), under which other names, what the network draws anew, and what is left over."""

    loaded: tuple[str, ...]
    renamed: Mapping[str, str]
    reinitialised: tuple[str, ...]
    left_over: tuple[str, ...]
    origin: str = ""
    prefix: str = ""
    notes: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """The outcome, for the user; nothing is dropped in silence."""
        said = [*self.notes, f"{len(self.loaded)} tensors loaded{self._renaming()}."]
        if self.reinitialised:
            said.append(
                f"New classifier: {', '.join(self.reinitialised)} drawn anew; the file has none for these classes."
            )
        if self.left_over:
            said.append(f"Not used from the file: {_some(self.left_over)}.")
        return said

    def _renaming(self) -> str:
        """How many tensors had other names, beside a common prefix, and an example."""
        prefix = f' from under "{self.prefix}"' if self.prefix else ""
        if not self.renamed:
            return prefix
        ours, theirs = next(iter(self.renamed.items()))
        whose = f" from {self.origin}" if self.origin.endswith("names") else ""
        return f"{prefix}, {len(self.renamed)} of them renamed{whose} ({theirs} is {ours})"


def settled(spec: Any, weights: Weights, given: Collection[str] = ()) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings that a source fixes and the description has otherwise, such as {"pad": "both"}, and sentences.

    Those that the user has `given` stay. Raises RequestError as `match` does for a network that does not fit.
    """
    fixed = applicable(spec, weights.settings, given)
    network = build(spec.but(**fixed), device="meta")
    names = recognise(network, weights)
    known = {**names.settings, **weights.settings} if names.complete else weights.settings
    if padding(network) is None:
        known = {name: value for name, value in known.items() if name != PAD}
    fixed = applicable(spec, known, given)
    return fixed, tuple(f"{_explained(name, value)}, as {weights.source} shows." for name, value in fixed.items())


def _explained(name: str, value: Any) -> str:
    means = f" ({WAYS[value]})" if name == PAD else ""
    return f'The network is built with {name} = "{value}"{means}'


def match(network: nn.Module, weights: Weights, given: Collection[str] = ()) -> Match:
    """What `load` would do; the network may be on the meta device. Raises as it does."""
    return _matched(network, weights, recognise(network, weights), given)


def _matched(network: nn.Module, weights: Weights, names: Names, given: Collection[str]) -> Match:
    own, state, theirs = network.state_dict(), weights.tensors, names.theirs
    new_head = _new_head(own, state, theirs)
    missing = [name for name in required(own) if name not in theirs]
    missing += [name for name in own if name in HEAD and name not in theirs and name not in new_head]
    loaded = tuple(name for name in own if name in theirs and name not in new_head)
    wrong = [problem for name in loaded if (problem := _problem(name, own[name], state[theirs[name]]))]
    used = {theirs[name] for name in loaded}
    used |= {theirs[name] for name in new_head if name in theirs}
    left_over = tuple(name for name in state if name not in used)
    foreign = _foreign(left_over, names)
    if missing or wrong or foreign:
        raise _misfit(network, weights, wrong, missing, foreign, left_over)
    require_padding(network, {**names.settings, **weights.settings}, given, weights.source)
    plain = {name: theirs[name].removeprefix(names.prefix) for name in loaded}
    renamed = {ours: there for ours, there in plain.items() if ours != there}
    notes = (*weights.notes, *names.notes)
    return Match(loaded, renamed, new_head, left_over, names.origin, names.prefix, notes)


def load(network: nn.Module, weights: Weights, given: Collection[str] = ()) -> Match:
    """Copy weights into a network; a classifier for another number of classes stays as it was drawn.

    A missing `num_batches_tracked` (old checkpoints) stays 0. `given` names settings that tensors cannot show and
    that the user has chosen knowingly ("pad"). Raises RequestError with every other difference, and the network is
    then unchanged.
    """
    names = recognise(network, weights)
    found = _matched(network, weights, names, given)
    own = network.state_dict()
    tensors = {name: weights.tensors[names.theirs[name]].reshape(own[name].shape) for name in found.loaded}
    if weights.graph is not None:
        from cardinet.weights.torch7 import require_same_function

        require_same_function(network, tensors, weights)
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)
    return found


def _new_head(own: Mapping[str, Tensor], state: Mapping[str, Tensor], theirs: Mapping[str, str]) -> tuple[str, ...]:
    """The classifier's names where the source has none of this size; both or none, as they were learnt together."""
    head = tuple(name for name in HEAD if name in own)

    def has(name: str) -> bool:
        return name in theirs and (
            fits(own[name], state[theirs[name]])
            or own[name].shape[1:] != state[theirs[name]].shape[1 : own[name].dim()]
        )

    return () if all(map(has, head)) else head


def _foreign(left_over: Sequence[str], names: Names) -> list[str]:
    """The learnt tensors that are not used but stand in a child of the body, so that the file is of another network."""
    body = {_child(there, names.prefix) for ours, there in names.theirs.items() if ours not in HEAD}
    learnt = (name for name in left_over if name.rpartition(".")[2] in LEARNT and name.startswith(names.prefix))
    return [name for name in learnt if _child(name, names.prefix) in body]


def _child(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).partition(".")[0]


def _misfit(
    network: nn.Module,
    weights: Weights,
    wrong: list[str],
    missing: list[str],
    foreign: list[str],
    left_over: tuple[str, ...],
) -> RequestError:
    problems = wrong[:3] + [f"{name} is missing in the file" for name in missing[:3]]
    if not problems:
        problems = [f"the network has no {name}" for name in foreign[:3]]
        left_over = ()
    more = len(wrong) + len(missing) + (0 if wrong or missing else len(foreign)) - len(problems)
    rest = f"; and {more} more" if more > 0 else ""
    unused = f" Names that only the file has: {_some(left_over)}." if left_over else ""
    other = nearest_network(network, weights)
    hint = f"They fit {other}." if other else "Name the network that they were trained in."
    return RequestError(f"The weights do not fit this network: {'; '.join(problems)}{rest}.{unused} {hint}")


def _problem(name: str, ours: Tensor, theirs: Tensor) -> str:
    """Why a tensor cannot be loaded, or nothing."""
    if not fits(ours, theirs):
        return f"{name} is {_shape(theirs)} in the file and {_shape(ours)} in the network"
    if ours.is_floating_point() and not theirs.is_floating_point():
        return f"{name} holds {str(theirs.dtype).removeprefix('torch.')} in the file, no real numbers"
    return ""


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
