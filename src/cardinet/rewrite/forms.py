"""Conversions between the three forms of an aggregated transform (Xie et al. 2016, arXiv 1611.05431, Figure 3).

Form c has a grouped convolution. Form b has C branches, concatenated before one last 1x1. Form a has C branches that
each have their own last 1x1 and are summed. All have the same weights in different places: channels k * d to
(k + 1) * d of the grouped layers are branch k, and the last 1x1 is split along its input channels.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError, nearest
from cardinet.blocks.classifier import Classifier
from cardinet.build.builder import build
from cardinet.networks.residual import Residual
from cardinet.rewrite.module_edits import layout_of, replace, require_unrewritten
from cardinet.rewrite.strip import RULES

Form: TypeAlias = Literal["a", "b", "c"]

BRANCHED: dict[str, tuple[str, ...]] = {
    "a": ("conv1", "bn1", "conv2", "bn2", "conv3"),
    "b": ("conv1", "bn1", "conv2", "bn2"),
    "c": (),
}
"""The layers that each branch has in each form. All other layers exist once."""

_WHOLE = re.compile(r"(layer\d+(?:\.units)?\.\d+)\.(conv[123]|bn[123])\.(\w+)")
_BRANCH = re.compile(r"(layer\d+(?:\.units)?\.\d+)\.branches\.(\d+)\.(conv[123]|bn[123])\.(\w+)")


def to_form(network: nn.Module, form: str) -> Classifier:
    """A network with the same function in another form, with its own copies of all weights and BN statistics.

    Dtype, device (also the meta device), memory layout, modes and `requires_grad` are kept; a tensor that is joined
    from branches is trainable if any of them was. Raises RequestError for an unknown form, for a network whose
    transform is not a bottleneck with a grouped spatial convolution, and for one that was folded, packed or given
    compactors before.
    """
    spec = _splittable(getattr(network, "spec", None), form)
    require_unrewritten(network, "form")
    state = convert(network.state_dict(), spec, form)
    layout = layout_of(network)
    converted = build(spec.but(**{"transform.form": form}), device="meta")
    rules = {_whole(name): module for name, module in network.named_modules() if isinstance(module, RULES)}
    for name in [name for name, _ in converted.named_modules() if _whole(name) in rules]:
        replace(converted, name, copy.deepcopy(rules[_whole(name)]))
    converted.load_state_dict({name: tensor.clone() for name, tensor in state.items()}, assign=True)
    converted.to(memory_format=layout)

    flags = {name: torch.tensor(p.requires_grad).expand(p.shape) for name, p in network.named_parameters()}
    trainable = convert(flags, spec, form)
    for name, parameter in converted.named_parameters():
        parameter.requires_grad_(bool(trainable[name].any()))
    _copy_modes(network, converted)
    return converted


def convert(state: Mapping[str, Tensor], spec: Residual, form: str) -> dict[str, Tensor]:
    """Convert tensors, by their names in the network of `spec`, to the names and shapes of another form.

    `state` may have only some of the names, such as the gradients of the parameters. A split tensor is a view.
    Raises RequestError as `to_form` does, and if branches of a layer are missing.
    """
    spec = _splittable(spec, form)
    if form == spec.transform.form:
        return dict(state)
    cardinality = spec.transform.spatial.cardinality
    return _split(_join(state, cardinality), cardinality, BRANCHED[form])


def _split(state: Mapping[str, Tensor], cardinality: int, layers: tuple[str, ...]) -> dict[str, Tensor]:
    """Convert form c to a form that has `layers` in its branches."""
    found = {}
    for name, tensor in state.items():
        place = _WHOLE.fullmatch(name)
        if place is None or place[2] not in layers:
            found[name] = tensor
            continue
        unit, layer, leaf = place.groups()
        pieces = tensor.chunk(cardinality, dim=_axis(layer)) if tensor.dim() else [tensor] * cardinality
        for k, piece in enumerate(pieces):
            found[f"{unit}.branches.{k}.{layer}.{leaf}"] = piece
    return found


def _join(state: Mapping[str, Tensor], cardinality: int) -> dict[str, Tensor]:
    """Convert any form to form c."""
    found = {}
    for name, tensor in state.items():
        place = _BRANCH.fullmatch(name)
        if place is None:
            found[name] = tensor
            continue
        unit, _, layer, leaf = place.groups()
        if (whole := f"{unit}.{layer}.{leaf}") in found:
            continue
        names = [f"{unit}.branches.{k}.{layer}.{leaf}" for k in range(cardinality)]
        if missing := [n for n in names if n not in state]:
            raise RequestError(f"{missing[0]} is missing; a network of cardinality {cardinality} needs every branch.")
        pieces = [state[n] for n in names]
        found[whole] = torch.cat(pieces, dim=_axis(layer)) if tensor.dim() else tensor
    return found


def _axis(layer: str) -> int:
    """The axis of a weight along which the branches lie: the inputs of the last 1x1, the outputs of other layers."""
    return 1 if layer == "conv3" else 0


def _splittable(spec: object, form: str) -> Residual:
    """The description, if it has the three forms. Raises RequestError otherwise."""
    if form not in BRANCHED:
        raise RequestError(f'There is no form "{form}" ({nearest(form, BRANCHED)}).')
    if not isinstance(spec, Residual):
        raise RequestError("Only a residual network has the forms a, b and c; this one has no residual description.")
    if dataclasses.replace(spec.transform, form="b").problems():
        kernels, spatial = spec.transform.kernels, type(spec.transform.spatial).__name__
        raise RequestError(
            "Only a bottleneck with a grouped 3x3 has the forms a, b and c; "
            f"this network's transform has kernels {','.join(map(str, kernels))} and the spatial part {spatial}."
        )
    return spec


def _copy_modes(source: nn.Module, target: nn.Module) -> None:
    """Copy the train or eval mode of every module from the module that it was made from."""
    modes = {_whole(name): module.training for name, module in source.named_modules()}
    for name, module in target.named_modules():
        module.training = modes[_whole(name)]


def _whole(name: str) -> str:
    """The name in form c of a module in a branch."""
    return re.sub(r"\.branches(\.\d+)?", "", name)
