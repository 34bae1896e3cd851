"""Fold batch normalisation into the convolutions and linear layers next to it.

With running statistics BN is s * x + t for each channel, s = gamma / sqrt(var + eps), t = beta - s * mean. Directly
after a layer, or directly before a layer without padding, it can be moved into the weights of that layer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.base.errors import RequestError
from cardinet.blocks.inception import ScaledResidual
from cardinet.blocks.merge import Weighted
from cardinet.rewrite.data_flow import Call, Flow, flow_of
from cardinet.rewrite.module_edits import names_by_reason, replace

LINEAR = ("convolution", "addmm", "mm")
Layer = nn.Conv2d | nn.Linear


@dataclass
class Plan:
    """The layers into which each BN is folded, by name.

    `behind`: a BN after the layers whose sum it reads. `before`: a BN before the layers that read it. `constants` are
    factors on the sum of layers, by the module and attribute that hold them. `stays` has the reason for every BN that
    is not folded.
    """

    behind: dict[str, list[str]] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)
    constants: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    stays: dict[str, str] = field(default_factory=dict)


def fold(network: nn.Module) -> nn.Module:
    """A network with the same function in eval mode; BN is folded wherever the order of the layers allows it.

    BN after a convolution or linear layer (grouped or not, with or without bias, gamma and beta) is folded into it. BN
    after a sum of such layers (form a) is folded into each. BN before layers without padding is folded into them if
    nothing else reads it. A constant factor on a folded branch is folded too (the weighted sum of `strip`, the scale of
    an Inception-ResNet block). A folded BN becomes an Identity. `unfolded` names the others. The weights are computed
    in float64. Raises RequestError, with every reason, if no BN can be folded.
    """
    plan = _plan(network)
    if not plan.behind and not plan.before:
        raise RequestError(*_refusals(plan))
    twin = copy.deepcopy(network)
    for name, layers in plan.behind.items():
        scale, shift = affine(twin.get_submodule(name))
        for i, layer in enumerate(layers):
            _after(_layer(twin, layer), scale, shift if i == 0 else None)
        replace(twin, name, nn.Identity())
    for name, layers in plan.before.items():
        scale, shift = affine(twin.get_submodule(name))
        for layer in layers:
            _ahead(_layer(twin, layer), scale, shift)
        replace(twin, name, nn.Identity())
    for (name, attribute), layers in plan.constants.items():
        holder = twin.get_submodule(name)
        for layer in layers:
            _after(_layer(twin, layer), torch.tensor(getattr(holder, attribute), dtype=torch.float64), None)
        setattr(holder, attribute, 1.0)
    return twin


def unfolded(network: nn.Module) -> dict[str, str]:
    """The BN layers that `fold` does not fold, each with the reason."""
    return _plan(network).stays


def folded_into(network: nn.Module) -> dict[str, list[str]]:
    """The BN layers that `fold` folds into layers before them, each with the names of those layers."""
    return _plan(network).behind


def affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """s and t of a BN layer in float64, (channels,) each."""
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    shift = -norm.running_mean.double() * scale
    if norm.affine:
        scale, shift = scale * norm.weight.detach().double(), shift * norm.weight.detach().double()
        shift = shift + norm.bias.detach().double()
    return scale, shift


def _plan(network: nn.Module) -> Plan:
    flow, plan = flow_of(network), Plan()
    norms = {n: m for n, m in network.named_modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)}
    order = [call.layer for call in flow.calls if call.operation == "norm" and call.layer in norms]
    for name in dict.fromkeys([*(name for name in order if name is not None), *norms]):
        norm, calls = norms[name], flow.of_layer[name]
        if norm.running_mean is None:
            plan.stays[name] = "it keeps no running statistics"
        elif len(calls) != 1:
            plan.stays[name] = f"it is used {len(calls)} times"
        else:
            _place(name, calls[0], flow, network, plan)
    _constants(flow, network, plan)
    return plan


def _place(name: str, call: Call, flow: Flow, network: nn.Module, plan: Plan) -> None:
    """Find the layers into which one BN can be folded."""
    layers, why = _summed(call.reads[0], flow, plan)
    if layers:
        plan.behind[name] = layers
        return
    readers = flow.readers[call.makes[0]]
    names = [reader.layer for reader in readers if reader.operation in LINEAR and reader.layer is not None]
    once = all(len(flow.of_layer[layer]) == 1 for layer in names)
    if names and len(names) == len(readers) and once and call.makes[0] != flow.output:
        if all(_pads_nothing(network.get_submodule(layer)) for layer in names):
            plan.before[name] = names
            return
        why += ", and a convolution with padding reads it"
    plan.stays[name] = why


def _summed(value: int, flow: Flow, plan: Plan) -> tuple[list[str], str]:
    """The layers whose sum a value is, if nothing else reads them; else none, and the reason.

    A BN that is itself folded into these layers does not count.
    """
    maker = flow.makers.get(value)
    if flow.only_reader(value) is None:
        return [], "another layer reads its input too"
    if maker is None:
        return [], "it reads the picture"
    if maker.operation in LINEAR and maker.layer is not None:
        if len(flow.of_layer[maker.layer]) > 1:
            return [], f"{maker.layer} is used several times"
        return [maker.layer], ""
    if maker.operation == "norm" and maker.layer in plan.behind:
        return plan.behind[maker.layer], ""
    if maker.operation == "add" and len(maker.reads) == 2 and not maker.scalars:
        found: list[str] = []
        for part in maker.reads:
            layers, _ = _summed(part, flow, plan)
            if not layers:
                return [], "it follows a sum of more than convolutions"
            found += layers
        return found, ""
    return [], f"it follows {_OPERATIONS.get(maker.operation.rstrip('_'), maker.operation)}"


_OPERATIONS = {
    "add": "a sum",
    "relu": "a ReLU",
    "cat": "a concatenation",
    "mul": "a product",
    "norm": "another BN",
}
_OPERATIONS |= {"max_pool2d_with_indices": "a max pool", "avg_pool2d": "an average pool", "mean": "a mean"}


def _constants(flow: Flow, network: nn.Module, plan: Plan) -> None:
    """Find every constant factor on a sum of layers, on BN that is folded into them, or on another such product."""
    scaled: dict[int, list[str]] = {}
    products: dict[str, list[Call]] = {}
    for call in flow.calls:
        if call.operation != "mul" or len(call.reads) != 1:
            continue
        products.setdefault(call.inside, []).append(call)
        value = call.reads[0]
        layers = scaled.get(value, []) if flow.only_reader(value) is not None else []
        layers = layers or _summed(value, flow, plan)[0]
        holders = _holders(network, call.inside)
        if layers and len(products[call.inside]) <= len(holders):
            plan.constants[holders[len(products[call.inside]) - 1]] = layers
            scaled[call.makes[0]] = layers


def _holders(network: nn.Module, inside: str) -> list[tuple[str, str]]:
    """The modules and attributes that hold the factors of a merge, in the order in which it multiplies.

    The branch of an Inception-ResNet block runs within its merge, and has its own factor.
    """
    merge = network.get_submodule(inside)
    block_name = inside.rpartition(".")[0]
    block = network.get_submodule(block_name)
    found = []
    if isinstance(merge, Weighted) and merge.skip != 1:
        found.append((inside, "skip"))
    if isinstance(block, ScaledResidual) and block.merge is merge and block.scale != 1:
        found.append((block_name, "scale"))
    if isinstance(merge, Weighted) and merge.branch != 1:
        found.append((inside, "branch"))
    return found


def _refusals(plan: Plan) -> list[str]:
    if not plan.stays:
        return ["There is no BN to fold in this network."]
    return [f"{names} cannot be folded: {why}." for names, why in names_by_reason(plan.stays)]


def _layer(network: nn.Module, name: str) -> Layer:
    layer = network.get_submodule(name)
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    return layer


def _pads_nothing(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and set(layer.padding) == {0})


def _after(layer: Layer, scale: Tensor, shift: Tensor | None) -> None:
    """Change a layer so that its output y becomes scale * y + shift."""
    shape = (-1, *[1] * (layer.weight.dim() - 1))

    def weight(old: Tensor) -> Tensor:
        return old * (scale.view(shape) if scale.dim() else scale)

    bias = None if layer.bias is None else layer.bias.detach().double() * scale
    if shift is not None:
        bias = shift if bias is None else bias + shift
    _set(layer, weight, bias)


def _ahead(layer: Layer, scale: Tensor, shift: Tensor) -> None:
    """Change a layer without padding so that it reads scale * x + shift instead of its input x."""
    groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
    out, inner = layer.weight.shape[:2]
    rows = torch.arange(out, device=scale.device) // (out // groups)
    columns = rows[:, None] * inner + torch.arange(inner, device=scale.device)  # the inputs of a group among all inputs
    of_input = (out, inner, *[1] * (layer.weight.dim() - 2))
    added = (layer.weight.detach().double() * shift[columns].view(of_input)).flatten(1).sum(1)
    bias = added if layer.bias is None else layer.bias.detach().double() + added
    _set(layer, lambda old: old * scale[columns].view(of_input), bias)


def _set(layer: Layer, weight: Callable[[Tensor], Tensor], bias: Tensor | None) -> None:
    """Set the weight of a layer, computed from the old one in float64, and its bias. Dtype and layout are kept."""
    own: Any = layer.weight
    with torch.no_grad():
        own.copy_(weight(own.detach().double()))
    if bias is not None:
        layer.bias = nn.Parameter(bias.to(own.dtype), requires_grad=own.requires_grad)
