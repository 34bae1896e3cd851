"""Load weights into a network, and report what happened to every tensor."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.amounts import amount
from cardinet.base.errors import RequestError
from cardinet.build.builder import build
from cardinet.networks.registry import lookalikes
from cardinet.weights.classifier_rows import Rows, position_sentence, rows_by_name
from cardinet.weights.contents import Weights
from cardinet.weights.hidden_settings import (
    check_given,
    delta_value,
    differing_settings,
    note_on_libraries,
    read_settings,
    require_settings,
    setting_sentence,
    short_name,
)
from cardinet.weights.mismatch import mismatch_error
from cardinet.weights.names.roles import BOOKKEEPING, HEAD, LEARNT, fits
from cardinet.weights.printable import first_names, printable
from cardinet.weights.recognise import Names, body, child, heads, recognise, required

REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Types whose values are the weights. Values of narrower types need a scale from another tensor."""


@dataclass(frozen=True)
class Match:
    """The result of a match: loaded tensors (our names), renamed ones, newly initialised ones, and unused ones.

    `rows` are the loaded rows of the classifier, if the classes differ from the source's. `by_position` is a sentence
    for a source that does not name its classes.
    """

    loaded: tuple[str, ...]
    renamed: Mapping[str, str]
    reinitialised: tuple[str, ...]
    left_over: tuple[str, ...]
    origin: str = ""
    prefix: str = ""
    notes: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    why_new: str = ""
    rows: Rows | None = None
    by_position: str = ""

    def sentences(self) -> list[str]:
        """The result in sentences for the user. Every tensor that is not used is named."""
        said = [*self.notes, f"{amount(len(self.loaded), 'tensor')} loaded{self._renaming()}."]
        if self.reinitialised:
            said.append(f"New classifier: {', '.join(self.reinitialised)} initialised at random; {self.why_new}.")
        if self.rows is not None:
            said.append(self.rows.sentence())
        if self.by_position:
            said.append(self.by_position)
        if self.left_over:
            said.append(f"Not used from the file: {first_names(self.left_over)}.")
        if self.skipped:
            said.append(f"Not read: {first_names([f'{name} ({kind})' for name, kind in self.skipped.items()])}.")
        return said

    def _renaming(self) -> str:
        """The common prefix, the number of other renamed tensors, and an example."""
        prefix = f' from below "{printable(self.prefix)}"' if self.prefix else ""
        if not self.renamed:
            return prefix
        ours, theirs = next(iter(self.renamed.items()))
        whose = f" from {self.origin}" if self.origin.endswith("names") else ""
        return f"{prefix}, {len(self.renamed)} of them renamed{whose} ({printable(theirs)} is {ours})"


def fixed_settings(
    network: Any, weights: Weights, given: Collection[str] = ()
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings that a source fixes and the network has otherwise, such as {"pad": "both"}, and sentences on them.

    The network may be on the meta device. Settings that the user has `given` stay unchanged. Raises RequestError, as
    `match` does, if the network does not fit.
    """
    spec = network.spec
    form = {name: value for name, value in weights.settings.items() if name == "form" and name not in given}
    with_form = build(spec.but(**form), device="meta") if form else network
    found = differing_settings(network, read_settings(with_form, weights, recognise(with_form, weights), given), given)
    fixed = {short_name(spec, path): delta_value(value) for path, value in found.items()}
    return fixed, tuple(setting_sentence(spec, path, value, weights.source) for path, value in found.items())


def match(network: nn.Module, weights: Weights, given: Collection[str] = (), classes: Sequence[str] = ()) -> Match:
    """What `load` would do. The network may be on the meta device. Raises the same errors as `load`."""
    return _matched(network, weights, recognise(network, weights), given, classes)


def _matched(network: Any, weights: Weights, names: Names, given: Collection[str], classes: Sequence[str]) -> Match:
    given = check_given(network.spec, given)
    own, state, theirs = network.state_dict(), weights.tensors, names.theirs
    rows = rows_by_name(weights, classes, own, theirs)
    new_head = _new_head(own, state, theirs) if rows is None else _new_classes(own, rows)
    rows = None if new_head else rows
    missing = [name for name in required(own) if name not in theirs]
    missing += [name for name in own if name in HEAD and name not in theirs and name not in new_head]
    loaded = tuple(name for name in own if name in theirs and name not in new_head)
    wrong = [
        problem for name in loaded if (problem := _problem(name, *_pair(name, own[name], state[theirs[name]], rows)))
    ]
    used = {theirs[name] for name in loaded}
    used |= {theirs[name] for name in new_head if name in theirs}
    left_over = tuple(name for name in state if name not in used)
    foreign = _foreign(left_over, weights, names)
    wrong += [
        f"{printable(name)} is {kind} in the file"
        for name, kind in weights.skipped.items()
        if name.rpartition(".")[2] in LEARNT
    ]
    if missing or wrong or foreign:
        raise mismatch_error(network, weights, wrong, missing, foreign, left_over)
    require_settings(network, read_settings(network, weights, names, given), given, weights.source)
    plain = {name: theirs[name].removeprefix(names.prefix) for name in loaded}
    renamed = {ours: there for ours, there in plain.items() if ours != there}
    doubts = [note_on_libraries(network, names), _lookalikes(network, weights)] if weights.spec is None else []
    notes = (*weights.notes, *names.notes, *filter(None, doubts), *_not_finite(loaded, state, theirs))
    why = _why_new(own, weights, names) if new_head else ""
    place = "" if new_head else position_sentence(weights, classes)
    skipped = weights.skipped
    return Match(loaded, renamed, new_head, left_over, names.origin, names.prefix, notes, skipped, why, rows, place)


def load(network: nn.Module, weights: Weights, given: Collection[str] = (), classes: Sequence[str] = ()) -> Match:
    """Copy weights into a network. A classifier for another number of classes keeps its random initial values.

    `classes` are the names of the network's classes, if they are known. If the source names other classes, or in
    another order, each class that both have gets its row; the rows of the other classes keep their initial values.

    A missing `num_batches_tracked` (old checkpoints) stays 0. `given` names hidden settings ("pad") that the user has
    chosen on purpose. Raises RequestError with all other differences; the network is then unchanged.
    """
    if not isinstance(network, nn.Module) or not hasattr(network, "spec"):
        raise RequestError(
            f"{type(network).__name__} is not a network of Cardinet, and weights are loaded only into these; make one: "
            "cardinet.create(NAME)."
        )
    names = recognise(network, weights)
    found = _matched(network, weights, names, given, classes)
    own = network.state_dict()
    tensors = {}
    for name in found.loaded:
        ours, theirs = _pair(name, own[name], weights.tensors[names.theirs[name]], found.rows)
        tensors[name] = theirs.reshape(ours.shape).to(ours.device, ours.dtype)
    if weights.graph is not None:
        from cardinet.weights.torch7 import require_same_function

        require_same_function(network, tensors, weights)
    with torch.no_grad():
        for name, tensor in tensors.items():
            if found.rows is not None and name in HEAD:
                own[name][list(found.rows.ours)] = tensor
            else:
                own[name].copy_(tensor)
    return found


def _lookalikes(network: Any, weights: Weights) -> str:
    """A sentence on networks of other libraries with the same tensors but another function."""
    others = lookalikes(network.spec)
    if not others or weights.graph is not None:
        return ""
    return (
        f"{first_names(list(others))} {'has' if len(others) == 1 else 'have'} the same tensors but another function "
        "(anti-aliased): weights of theirs would load here and give wrong answers."
    )


def _new_head(own: Mapping[str, Tensor], state: Mapping[str, Tensor], theirs: Mapping[str, str]) -> tuple[str, ...]:
    """The classifier's names if the source has none of this size; both or none, as they were learnt together."""
    head = tuple(name for name in HEAD if name in own)

    def has(name: str) -> bool:
        return name in theirs and (
            fits(own[name], state[theirs[name]])
            or own[name].shape[1:] != state[theirs[name]].shape[1 : own[name].dim()]
        )

    return () if all(map(has, head)) else head


def _new_classes(own: Mapping[str, Tensor], rows: Rows) -> tuple[str, ...]:
    """The classifier's names if the source has none of its classes."""
    return () if rows.kept else tuple(name for name in HEAD if name in own)


def _pair(name: str, ours: Tensor, theirs: Tensor, rows: Rows | None) -> tuple[Tensor, Tensor]:
    """The loaded part of our tensor and the same part of theirs: the whole, or some rows of the classifier."""
    if rows is None or name not in HEAD:
        return ours, theirs
    return ours[list(rows.ours)], theirs[list(rows.theirs)]


def _why_new(own: Mapping[str, Tensor], weights: Weights, names: Names) -> str:
    """Why the classifier of a source is not used: another size, another name, or a missing weight or bias."""
    missing = [name for name in HEAD if name in own and name not in names.theirs]
    if not missing or len(missing) == 1:
        return f"the file has no {missing[0]}" if missing else "the file has none for these classes"
    same_shape = [f"{layer}.weight" for layer in heads(own, weights, names)]
    if not same_shape:
        return "the file has none for these classes"
    return (
        f"the file has no {missing[0]}; {first_names(same_shape)} {'has' if len(same_shape) == 1 else 'have'} its shape"
    )


def _not_finite(loaded: Sequence[str], state: Mapping[str, Tensor], theirs: Mapping[str, str]) -> list[str]:
    """A sentence on the tensors with NaN or infinite values."""
    wrong = [name for name in loaded if not bool(torch.isfinite(state[theirs[name]].float()).all())]
    return [f"NaN or infinite values in the file: {first_names(wrong)}."] if wrong else []


def _foreign(left_over: Sequence[str], weights: Weights, names: Names) -> list[str]:
    """The unused tensors in a child of the body; they show that the file belongs to another network."""
    inside = body(names)
    return [
        name
        for name in left_over
        if name.startswith(names.prefix)
        and child(name, names.prefix) in inside
        and name.rpartition(".")[2] not in BOOKKEEPING
        and weights.tensors[name].is_floating_point()
    ]


def _problem(name: str, ours: Tensor, theirs: Tensor) -> str:
    """Why a tensor cannot be loaded; empty if it can."""
    if not fits(ours, theirs):
        turned = ", its transpose" if theirs.dim() == 2 and fits(ours, theirs.t()) else ""
        return f"{name} is {_shape(theirs)} in the file and {_shape(ours)}{turned} in the network"
    if theirs.is_meta:
        return f"{name} has no values in the file (it was on the meta device)"
    if theirs.layout != torch.strided or theirs.is_quantized:
        kind, way = ("quantised", "dequantize") if theirs.is_quantized else ("sparse", "to_dense")
        return f"{name} is {kind} in the file; save it as tensor.{way}()"
    if ours.is_floating_point() and theirs.dtype not in REAL:
        what = "needs a scale" if theirs.is_floating_point() else "is not a floating-point type"
        return f"{name} holds {str(theirs.dtype).removeprefix('torch.')} in the file, which {what}"
    if name.endswith("running_var") and bool((theirs < 0).any()):
        return f"{name} is negative in the file, but a variance cannot be negative"
    return ""


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
