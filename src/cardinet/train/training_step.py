"""One step of training: the gradient of a batch, and the update of the parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from cardinet.blocks.classifier import Classifier
from cardinet.data.labelling import ONE, Labelling
from cardinet.train.methods import Hooks
from cardinet.train.objectives import Objective
from cardinet.train.optimizers import Optimizer

OWN = "own_momentum"
"""The key of a group that says that its momentum is its own, whatever the schedule does."""


def make_optimizer(
    network: Classifier, settings: Optimizer, apart: Sequence[dict[str, Any]] = ()
) -> torch.optim.Optimizer:
    """The optimizer of a network's parameters; groups of methods stand `apart`.

    The settings decide whether norms and biases (every parameter of one dimension) decay. The "rate" of a group is the
    factor of its learning rate, 1 by default.
    """
    taken = {id(p) for group in apart for p in group["params"]}
    rates = rates_of_parameters(network, settings.layer_decay)
    made = groups_of((p for p in network.parameters() if id(p) not in taken), settings, rates)
    others = ({**group, OWN: bool({"momentum", "betas"} & group.keys())} for group in apart if group["params"])
    return settings.make([*made, *others])


def groups_of(
    parameters: Iterable[nn.Parameter], settings: Optimizer, rates: Mapping[int, float] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """Parameters in groups for an optimizer; `rates` are factors of the learning rate by the `id` of a parameter."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in parameters:
        decays = parameter.ndim > 1 or settings.decay_norms_and_biases
        key = (rates.get(id(parameter), 1.0), settings.weight_decay if decays else 0.0)
        groups.setdefault(key, []).append(parameter)
    return [{"params": found, "rate": rate, "weight_decay": decay} for (rate, decay), found in groups.items()]


def rates_of_layers(network: Classifier, decay: float) -> dict[str, float]:
    """The factor of the learning rate of each layer: 1 for the head, times `decay` for each layer below it.

    This is the rule of BEiT (Bao et al. 2021, Section 3.1, arXiv 2106.08254), and of timm with its coarse layers.
    """
    names = list(network.layers())
    return {name: decay ** (len(names) - 1 - i) for i, name in enumerate(names)}


def rates_of_parameters(network: Classifier, decay: float) -> dict[int, float]:
    """The factors of `rates_of_layers` by the `id` of each parameter."""
    rates = rates_of_layers(network, decay)
    return {
        id(parameter): rates[layer]
        for layer, children in network.layers().items()
        for child in children
        for parameter in network.get_submodule(child).parameters()
    }


def set_apart(optimizer: torch.optim.Optimizer, parameters: Iterable[nn.Parameter]) -> None:
    """Give parameters that are trained later groups of their own, with the settings of the groups that they are in.

    torch's fused SGD starts the momenta of a whole group at once, and cannot do so for some of its parameters.
    """
    mine = {id(parameter) for parameter in parameters}
    for group in list(optimizer.param_groups):
        late = [p for p in group["params"] if id(p) in mine]
        if 0 < len(late) < len(group["params"]):
            group["params"] = [p for p in group["params"] if id(p) not in mine]
            optimizer.param_groups.append({**group, "params": late})


class NonFinite(Exception):
    """The loss or the gradient is NaN or infinite. It is raised before the parameters change."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def forward_backward(
    network: nn.Module,
    pixels: Tensor,
    labels: Tensor,
    objective: Objective,
    *,
    labelling: Labelling = ONE,
    hooks: Collection[Hooks] = (),
    parts: int = 1,
    autocast: bool = False,
    checked: bool = True,
) -> tuple[Tensor, Tensor]:
    """Add the gradient of the mean loss over a batch to the parameters; return (mean loss, wrong decisions).

    Labels are classes (B,) or probabilities (B, classes); `labelling` says what a wrong decision is. The `hooks` of
    methods may change the loss. The batch passes in `parts` whose gradients add up to the whole batch's (up to what BN
    sees). On the CPU a non-finite loss raises NonFinite before its backward pass. It is not `checked` where several
    processes must all go on to the place at which they exchange their sums.
    """
    total = pixels.new_zeros(())
    wrong = torch.zeros((), dtype=torch.int64, device=pixels.device)
    parts = min(parts, len(labels))
    for x, y in zip(pixels.tensor_split(parts), labels.tensor_split(parts), strict=True):
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=autocast):
            logits = network(x)
        logits = logits.to(pixels.dtype)
        loss = objective.loss(logits, y)
        for method in hooks:
            loss = method.loss(loss, logits, x, y)
        if checked and pixels.device.type == "cpu" and not loss.isfinite():
            raise NonFinite(f"the loss is {loss.item()}")
        share = loss * (len(y) / len(labels))
        if share.requires_grad:  # else everything that is trained is in units that stochastic depth closed
            share.backward()
        total += share.detach()
        wrong += labelling.mistakes(logits.detach(), y)
    return total, wrong


def update(
    network: nn.Module, optimizer: torch.optim.Optimizer, lr: float, clip: float | None, momentum: float | None = None
) -> None:
    """One step of the optimizer at a learning rate, times the "rate" of each group; `clip` bounds the gradient's norm.

    A `momentum` takes the place of that of all groups but those that a method has given their own.

    A trained parameter that no gradient reached (of a unit that stochastic depth closed) has a gradient of zero: it
    still decays, and its momentum goes on, as in the authors' code (torch alone would pass it over).
    """
    if clip is not None:
        norm = nn.utils.clip_grad_norm_(network.parameters(), clip)
        if not norm.isfinite():
            raise NonFinite(f"the norm of the gradient is {norm.item()}")
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("rate", 1.0)
        if momentum is not None and not group.get(OWN):
            changed = {"betas": (momentum, group["betas"][1])} if "betas" in group else {"momentum": momentum}
            group.update(changed)
        for parameter in group["params"]:
            if parameter.grad is None and parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
